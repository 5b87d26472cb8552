//! Web sites of stacks that two stacks have, or that no service of the deploy answers.

use std::collections::BTreeSet;

use super::demands::Demanded;
use crate::change::ResourceKind;
use crate::error::{Diagnostic, suggestion};
use crate::operations::{Served, ServedService, Site};
use crate::project::wrong_port;

/// The mistakes in the sites of a host. `machines` are the names of other hosts, which may be known by them.
pub(super) fn wrong_sites<'a>(
    served: &[Served],
    demanded: &'a [Demanded],
    machines: impl Iterator<Item = &'a str>,
) -> Vec<Diagnostic> {
    let sites: Vec<&Site> = served.iter().flat_map(|one| &one.sites).collect();
    let mut mistakes: Vec<Diagnostic> = sites
        .iter()
        .enumerate()
        .filter_map(|(at, site)| twice(site, &sites[..at], served))
        .collect();
    mistakes.extend(sites.iter().filter_map(|site| no_port(site)));
    let all: Option<Vec<&ServedService>> = served
        .iter()
        .map(|one| one.services.as_ref())
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().collect());
    let Some(services) = all else { return mistakes };
    let containers = demanded.iter().map(|(_, demand)| &demand.resource);
    let containers = containers.filter(|resource| resource.kind == ResourceKind::ContainerName);
    let others: BTreeSet<&str> = containers
        .map(|resource| resource.name.as_str())
        .chain(machines)
        .collect();
    for site in sites {
        let Some(name) = service_name(&site.upstream).filter(|name| !others.contains(name)) else {
            continue;
        };
        let named: Vec<&ServedService> = services
            .iter()
            .copied()
            .filter(|one| one.names.contains(name))
            .collect();
        mistakes.extend(if named.is_empty() {
            Some(unknown(site, name, &services))
        } else {
            apart(site, name, &named, &services)
        });
    }
    mistakes
}

/// The name in `grafana:3000`; `None` for an address, and for names of machines elsewhere.
fn service_name(upstream: &str) -> Option<&str> {
    let (name, port) = upstream.split_once(':')?;
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    let is_name = !name.is_empty() && name != "localhost" && name.chars().all(is_part);
    (is_name && port.parse::<u16>().is_ok()).then_some(name)
}

/// The port is none, which shows where a template gave it.
fn no_port(site: &Site) -> Option<Diagnostic> {
    let port = wrong_port(&site.upstream)?;
    Some(
        Diagnostic::new(format!("`{port}` in `{}` is not a port", site.upstream))
            .at_maybe(site.upstream_at.as_ref(), "a port is a number from 1 to 65535")
            .hint("write the port of the service in its container"),
    )
}

/// The same host as that of an earlier site.
fn twice(site: &Site, earlier: &[&Site], served: &[Served]) -> Option<Diagnostic> {
    if site.has_path {
        return None;
    }
    let is_same = |other: &&&Site| {
        !other.has_path && other.has_tls == site.has_tls && other.host.eq_ignore_ascii_case(&site.host)
    };
    let title = format!("two sites have the host `{}`", site.host);
    let hint = "give one of them another `host`";
    if let Some(first) = earlier.iter().find(is_same) {
        let mistake = Diagnostic::new(title).at_maybe(site.host_at.as_ref(), "used again here");
        return Some(mistake.at_maybe(first.host_at.as_ref(), "first used here").hint(hint));
    }
    let is_other = served.iter().any(|one| one.other_hosts.contains(&site.host));
    is_other.then(|| {
        Diagnostic::new(title)
            .at_maybe(site.host_at.as_ref(), "a site in `other_sites` has it too")
            .hint(hint)
    })
}

/// No service has the name.
fn unknown(site: &Site, name: &str, services: &[&ServedService]) -> Diagnostic {
    let known: BTreeSet<&str> = services.iter().flat_map(|one| &one.names).map(String::as_str).collect();
    let near = suggestion(name, known);
    Diagnostic::new(format!("unknown service `{name}` in `upstream`"))
        .at_maybe(site.upstream_at.as_ref(), "no stack of this host has such a service")
        .hint(near.unwrap_or_else(|| {
            "write the name of a service of the compose file, or the address of another machine".to_owned()
        }))
}

/// The only service with the port of web sites is in no network with the one that answers the site.
fn apart(site: &Site, name: &str, named: &[&ServedService], services: &[&ServedService]) -> Option<Diagnostic> {
    let mut web = services.iter().filter(|one| one.is_web);
    let (Some(proxy), None) = (web.next(), web.next()) else {
        return None;
    };
    let own = proxy.networks.as_ref()?;
    let is_met = |one: &&ServedService| {
        let networks = one.networks.as_ref();
        one.name == proxy.name || networks.is_none_or(|networks| networks.intersection(own).next().is_some())
    };
    if named.iter().any(is_met) {
        return None;
    }
    let networks: Vec<String> = own.iter().map(|network| format!("`{network}`")).collect();
    let title = format!("service `{name}` is in no network with `{}`", proxy.name);
    let label = format!("`{}` cannot reach it", proxy.name);
    Some(
        Diagnostic::new(title)
            .at_maybe(site.upstream_at.as_ref(), label)
            .hint(format!(
                "add a network of `{}` to the service `{name}`: {}",
                proxy.name,
                networks.join(" or ")
            )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Site;

    fn site(host: &str, upstream: &str) -> Site {
        Site {
            host: host.to_owned(),
            upstream: upstream.to_owned(),
            has_tls: true,
            has_path: false,
            host_at: None,
            upstream_at: None,
        }
    }

    fn service(name: &str, networks: Option<&[&str]>, is_web: bool) -> ServedService {
        ServedService {
            name: name.to_owned(),
            names: [name.to_owned(), format!("{name}-alias")].into(),
            networks: networks.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            is_web,
        }
    }

    fn wrong(sites: Vec<Site>, services: Option<Vec<ServedService>>) -> Vec<String> {
        let served = Served {
            sites,
            other_hosts: ["router.example".to_owned()].into(),
            services,
        };
        let found = wrong_sites(&[served], &[], ["nas"].into_iter());
        found
            .into_iter()
            .map(|mistake| format!("{}; {}", mistake.title, mistake.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn each_site_has_a_service_that_the_proxy_reaches() {
        let services = || {
            Some(vec![
                service("caddy", Some(&["front"]), true),
                service("grafana", Some(&["front", "back"]), false),
                service("database", Some(&["back"]), false),
                service("host-mode", None, false),
            ])
        };
        for (upstream, expected) in [
            ("grafana:3000", None),
            ("grafana-alias:3000", None),
            ("host-mode:80", None),
            ("caddy:8080", None),
            ("nas:5000", None),
            ("localhost:80", None),
            ("192.0.2.1:80", None),
            ("nas.example:80", None),
            ("unix//run/x", None),
            ("https://grafna", None),
            (
                "grafana:99999",
                Some("`99999` in `grafana:99999` is not a port; write the port of the service in its container"),
            ),
            (
                "grafna:3000",
                Some("unknown service `grafna` in `upstream`; did you mean `grafana`?"),
            ),
            (
                "else-where:80",
                Some(
                    "unknown service `else-where` in `upstream`; available: `caddy`, `caddy-alias`, `database`, `database-alias`, `grafana`, `grafana-alias`, `host-mode`, `host-mode-alias`",
                ),
            ),
            (
                "database:5432",
                Some(
                    "service `database` is in no network with `caddy`; add a network of `caddy` to the service `database`: `front`",
                ),
            ),
        ] {
            let found = wrong(vec![site("a.example", upstream)], services());
            assert_eq!(found.first().map(String::as_str), expected, "{upstream}");
        }
        assert!(wrong(vec![site("a.example", "grafna:3000")], None).is_empty());
        // Without exactly one proxy nothing is known of the way to a service.
        let two = [service("nginx", Some(&["x"]), true)]
            .into_iter()
            .chain(services().expect("some"));
        assert!(wrong(vec![site("a.example", "database:1")], Some(two.collect())).is_empty());
    }

    #[test]
    fn each_host_is_there_once() {
        let plain = |host: &str| site(host, "192.0.2.1:80");
        let open = || Site {
            has_tls: false,
            ..plain("a.example")
        };
        let part = || Site {
            has_path: true,
            ..plain("a.example")
        };
        assert!(wrong(vec![plain("a.example"), plain("b.example"), open(), part()], None).is_empty());
        let hint = "give one of them another `host`";
        assert_eq!(
            wrong(
                vec![plain("a.example"), plain("A.example"), plain("router.example")],
                None
            ),
            [
                format!("two sites have the host `A.example`; {hint}"),
                format!("two sites have the host `router.example`; {hint}"),
            ]
        );
    }
}
