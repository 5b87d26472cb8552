//! Containers, wherever the project describes them: in compose files, in operations and in objects of a cluster.

use std::net::IpAddr;
use std::rc::Rc;

use serde_json::Value as Json;

use super::finding::Place;
use super::planned::{Planned, file_name, line_number, line_place};
use crate::facts::port::Ports;
use crate::operations::{PlacedObject, PlacedText, YamlNode, parse_yaml};

/// A container that the project describes.
pub(super) struct Container {
    /// The operation of the scene.
    pub(super) operation: usize,
    /// In words: ``service `web` ``.
    pub(super) name: String,
    pub(super) place: Place,
    /// Its image, unless it is built from the project.
    pub(super) image: Option<(String, Place)>,
    pub(super) ports: Vec<Published>,
    /// Paths of the host that are mounted.
    pub(super) mounts: Vec<(String, Place)>,
    pub(super) environment: Vec<(String, String, Place)>,
    /// What gives it the rights of the host.
    pub(super) privileges: Vec<(String, Place)>,
    /// Of one in the network of the host.
    pub(super) host_network: Option<Place>,
    pub(super) command: String,
}

/// A port of the host that leads to a container.
pub(super) struct Published {
    pub(super) on_host: u16,
    pub(super) in_container: u16,
    pub(super) is_everywhere: bool,
    pub(super) place: Place,
}

/// The capabilities with which a container can take over its host.
const TAKES_OVER: [&str; 3] = ["ALL", "SYS_ADMIN", "SYS_MODULE"];

impl Container {
    fn new(operation: usize, name: String, place: Place) -> Self {
        Self {
            operation,
            name,
            place,
            image: None,
            ports: Vec::new(),
            mounts: Vec::new(),
            environment: Vec::new(),
            privileges: Vec::new(),
            host_network: None,
            command: String::new(),
        }
    }

    /// The name of its image without registry, tag and digest, or nothing.
    pub(super) fn image_name(&self) -> &str {
        self.image.as_ref().map(|(image, _)| image.as_str()).unwrap_or_default()
    }
}

/// All containers of operations.
pub(super) fn containers(operations: &[Planned<'_>]) -> Vec<Container> {
    let mut found = Vec::new();
    for (number, planned) in operations.iter().enumerate() {
        match planned.name() {
            "docker.compose" => found.extend(of_compose(number, planned)),
            "docker.container" => found.extend(of_operation(number, planned)),
            _ => {}
        }
        for object in &planned.rendered.objects {
            found.extend(of_object(number, object));
        }
    }
    found
}

/// The texts of a project that compose reads by itself, or is told to read.
fn compose_files<'a>(planned: &'a Planned<'_>) -> impl Iterator<Item = &'a PlacedText> {
    let named = planned.items("files");
    planned.rendered.texts.iter().filter(move |text| {
        let name = file_name(&text.path);
        let (start, end) = name.rsplit_once('.').unwrap_or((name, ""));
        let is_usual = [
            "compose",
            "docker-compose",
            "compose.override",
            "docker-compose.override",
        ]
        .contains(&start);
        let is_named = || named.iter().any(|(file, _)| text.path.ends_with(&format!("/{file}")));
        (is_usual && ["yaml", "yml"].contains(&end)) || is_named()
    })
}

fn of_compose(number: usize, planned: &Planned<'_>) -> Vec<Container> {
    let mut found = Vec::new();
    let files = compose_files(planned).filter_map(|text| Some((text, parse_yaml(&text.text).ok()?)));
    let files: Vec<_> = files.collect();
    let services = files.iter().filter_map(|(_, file)| file.get("services"));
    let built = services
        .flat_map(|services| services.entries().iter())
        .filter(|service| service.value.get("build").is_some())
        .filter_map(|service| Some(without_latest(service.value.get("image")?.text()?)));
    let built: Vec<&str> = built.collect();
    for (text, file) in &files {
        let Some(services) = file.get("services") else { continue };
        for service in services.entries() {
            let place = |at: usize| line_place(text, line_number(&text.text, at));
            let name = format!("service `{}`", service.key);
            let container = Container::new(number, name, place(service.place.start));
            found.push(with_service(container, &service.value, &built, &place));
        }
    }
    found
}

/// The name of an image, whose version is `latest` if it has none.
fn without_latest(image: &str) -> &str {
    image.strip_suffix(":latest").unwrap_or(image)
}

/// Images in `built` are built from the project by a service.
fn with_service(
    mut container: Container,
    node: &YamlNode,
    built: &[&str],
    place: &dyn Fn(usize) -> Place,
) -> Container {
    let at = |node: &YamlNode| place(node.place.start);
    let policy = node.get("pull_policy").and_then(|policy| policy.text());
    let is_own = node.get("build").is_some() || policy.is_some_and(|policy| ["never", "build"].contains(&policy));
    let is_built = |image: &YamlNode| image.text().is_some_and(|image| built.contains(&without_latest(image)));
    let image = node.get("image").filter(|image| !is_own && !is_built(image));
    container.image = image.and_then(|image| Some((image.text()?.to_owned(), at(image))));
    for port in node.get("ports").map(|ports| ports.used_items()).unwrap_or_default() {
        container.ports.extend(published(port, &at));
    }
    for mount in node.get("volumes").map(|volumes| volumes.items()).unwrap_or_default() {
        let source = match mount.text() {
            Some(text) => text.split(':').next(),
            None => mount.get("source").and_then(|source| source.text()),
        };
        container
            .mounts
            .extend(source.map(|source| (source.to_owned(), at(mount))));
    }
    if let Some(environment) = node.get("environment") {
        for entry in environment.entries() {
            let value = entry.value.text().unwrap_or_default().to_owned();
            container.environment.push((entry.key.clone(), value, at(&entry.value)));
        }
        for item in environment.items() {
            let pair = item.text().and_then(|text| text.split_once('='));
            let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned(), at(item)));
            container.environment.extend(pair);
        }
    }
    if let Some(node) = node.get("privileged").filter(|node| node.text() == Some("true")) {
        container.privileges.push(("privileged: true".to_owned(), at(node)));
    }
    for item in node.get("cap_add").map(|items| items.items()).unwrap_or_default() {
        let name = item.text().unwrap_or_default();
        if TAKES_OVER.contains(&name.trim_start_matches("CAP_")) {
            container.privileges.push((format!("cap_add: {name}"), at(item)));
        }
    }
    let mode = node.get("network_mode").filter(|mode| mode.text() == Some("host"));
    container.host_network = mode.map(|mode| at(mode));
    if let Some(command) = node.get("command") {
        let words: Vec<&str> = command.texts().into_iter().map(|(text, _)| text).collect();
        container.command = words.join(" ");
    }
    container
}

/// A port of a compose file, unless only compose, or the engine, can say which one it is.
fn published(port: &Rc<YamlNode>, at: &dyn Fn(&YamlNode) -> Place) -> Option<Published> {
    if let Some(text) = port.text() {
        return of_text(text, at(port));
    }
    let text = |key: &str| port.get(key)?.text();
    let on_host: u16 = text("published")?.parse().ok()?;
    let address = text("host_ip").unwrap_or_default();
    Some(Published {
        on_host,
        in_container: text("target")?.parse().ok()?,
        is_everywhere: address.is_empty() || address.parse().is_ok_and(|address: IpAddr| address.is_unspecified()),
        place: at(port),
    })
}

fn of_text(text: &str, place: Place) -> Option<Published> {
    let ports = Ports::published(text)?;
    let (rest, _) = text.rsplit_once('/').unwrap_or((text, ""));
    let in_container = rest.rsplit_once(':').map_or(rest, |(_, port)| port);
    let in_container = in_container.split('-').next()?.parse().ok()?;
    Some(Published {
        on_host: ports.first,
        in_container,
        is_everywhere: ports.address.is_none_or(|address| address.is_unspecified()),
        place,
    })
}

fn of_operation(number: usize, planned: &Planned<'_>) -> Option<Container> {
    let name = planned.text("container")?;
    let mut container = Container::new(number, format!("container `{name}`"), planned.place());
    let image = planned.argument("image");
    container.image = image.and_then(|image| Some((image.as_str()?.to_owned(), planned.place_of(image))));
    let ports = planned.items("ports").into_iter();
    container.ports = ports.filter_map(|(text, place)| of_text(text, place)).collect();
    let mounts = planned.items("volumes").into_iter();
    let source = |text: &str| text.split(':').next().unwrap_or(text).to_owned();
    container.mounts = mounts.map(|(text, place)| (source(text), place)).collect();
    let variables = planned.argument("env_vars").and_then(|value| value.as_table());
    let variables = variables.into_iter().flatten();
    container.environment = variables
        .filter_map(|(key, entry)| {
            let value = entry.value.as_str()?.to_owned();
            Some((key.clone(), value, planned.place_of(&entry.value)))
        })
        .collect();
    container.command = planned
        .items("command")
        .iter()
        .map(|(word, _)| *word)
        .collect::<Vec<_>>()
        .join(" ");
    Some(container)
}

/// Where the description of pods is in an object, if it makes any.
pub(super) fn pods(object: &PlacedObject) -> Option<(&'static str, &Json)> {
    let pointer = match object.id.kind.as_str() {
        "Pod" => "/spec",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    Some((pointer, object.object.pointer(pointer)?))
}

/// The containers of pods, those that run before others too, with their pointers.
pub(super) fn pod_containers(object: &PlacedObject) -> Vec<(String, &Json)> {
    let Some((above, spec)) = pods(object) else {
        return Vec::new();
    };
    let lists = ["initContainers", "containers"].into_iter();
    let found = lists.flat_map(|key| {
        let items = spec.get(key).and_then(Json::as_array).into_iter().flatten().enumerate();
        items.map(move |(at, item)| (format!("{above}/{key}/{at}"), item))
    });
    found.collect()
}

fn of_object(number: usize, object: &PlacedObject) -> Vec<Container> {
    let spec = pods(object).map(|(above, spec)| (above, spec.clone()));
    let mounts: Vec<(String, Place)> = spec
        .iter()
        .flat_map(|(above, spec)| {
            let volumes = spec
                .get("volumes")
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default();
            let volumes = volumes.into_iter().enumerate();
            volumes.filter_map(move |(at, volume)| {
                let path = volume.pointer("/hostPath/path")?.as_str()?.to_owned();
                let pointer = format!("{above}/volumes/{at}/hostPath/path");
                Some((path, Place::at(&object.place(&pointer))))
            })
        })
        .collect();
    let of = |(index, (pointer, item)): (usize, (String, &Json))| {
        let at = |below: &str| Place::at(&object.place(&format!("{pointer}{below}")));
        let text = |below: &str| item.pointer(below).and_then(Json::as_str);
        let name = text("/name").unwrap_or_default();
        let name = format!("container `{name}` of {} `{}`", object.id.kind, object.id.name);
        let mut container = Container::new(number, name, at(""));
        let is_own = text("/imagePullPolicy") == Some("Never");
        let image = text("/image").filter(|_| !is_own);
        container.image = image.map(|image| (image.to_owned(), at("/image")));
        // They are those of the pod: told once.
        container.mounts = if index == 0 { mounts.clone() } else { Vec::new() };
        let variables = item
            .get("env")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        container.environment = variables
            .filter_map(|(at_item, one)| {
                let (key, value) = (one.get("name")?.as_str()?, one.get("value")?.as_str()?);
                Some((key.to_owned(), value.to_owned(), at(&format!("/env/{at_item}/value"))))
            })
            .collect();
        if item.pointer("/securityContext/privileged") == Some(&Json::Bool(true)) {
            let place = at("/securityContext/privileged");
            container.privileges.push(("privileged: true".to_owned(), place));
        }
        let added = item
            .pointer("/securityContext/capabilities/add")
            .and_then(Json::as_array);
        for (at_item, name) in added.into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or_default();
            if TAKES_OVER.contains(&name.trim_start_matches("CAP_")) {
                let place = at(&format!("/securityContext/capabilities/add/{at_item}"));
                container.privileges.push((format!("capability {name}"), place));
            }
        }
        container
    };
    pod_containers(object).into_iter().enumerate().map(of).collect()
}
