//! The table of operations: a line for each.

use super::definition::Definition;
use super::{
    apt, capture, crontab, docker, files, git, helm, http, k3s, k8s, nftables, server, ssh, sudo, systemd, verify, zfs,
};
use crate::error::{habits, suggestion};

/// What an entry with `capture` is: it has no `op`.
pub static CAPTURE: Definition = Definition::of::<capture::Capture>();

/// All operations, sorted by name.
pub static OPERATIONS: &[Definition] = &[
    Definition::of::<apt::deb::AptDeb>(),
    Definition::of::<apt::hold::Hold>(),
    Definition::of::<apt::key::AptKey>(),
    Definition::of::<apt::packages::Packages>(),
    Definition::of::<apt::sources_file::SourcesFile>(),
    Definition::of::<apt::update::Update>(),
    Definition::of::<apt::upgrade::Upgrade>(),
    Definition::of::<crontab::crontab::Crontab>(),
    Definition::of::<docker::compose::Compose>(),
    Definition::of::<docker::container::Container>(),
    Definition::of::<docker::exec::Exec>(),
    Definition::of::<docker::image::Image>(),
    Definition::of::<docker::login::Login>(),
    Definition::of::<docker::network::Network>(),
    Definition::of::<docker::prune::Prune>(),
    Definition::of::<docker::volume::Volume>(),
    Definition::of::<files::block::Block>(),
    Definition::of::<files::copy::Copy>(),
    Definition::of::<files::directory::Directory>(),
    Definition::of::<files::download::Download>(),
    Definition::of::<files::file::File>(),
    Definition::of::<files::json::Json>(),
    Definition::of::<files::line::Line>(),
    Definition::of::<files::link::Link>(),
    Definition::of::<files::r#move::Move>(),
    Definition::of::<files::put::Put>(),
    Definition::of::<files::replace::Replace>(),
    Definition::of::<files::sync::Sync>(),
    Definition::of::<files::template::Template>(),
    Definition::of::<files::unarchive::Unarchive>(),
    Definition::of::<git::repo::Repo>(),
    Definition::of::<helm::release::Release>(),
    Definition::of::<http::resource::Resource>(),
    Definition::of::<k3s::agent::Agent>(),
    Definition::of::<k3s::image::Image>(),
    Definition::of::<k3s::kubeconfig::Kubeconfig>(),
    Definition::of::<k3s::server::Server>(),
    Definition::of::<k8s::config_map::ConfigMap>(),
    Definition::of::<k8s::exec::Exec>(),
    Definition::of::<k8s::job::Job>(),
    Definition::of::<k8s::manifests::Manifests>(),
    Definition::of::<k8s::namespace::Namespace>(),
    Definition::of::<k8s::node::Node>(),
    Definition::of::<k8s::restart::Restart>(),
    Definition::of::<k8s::secret::Secret>(),
    Definition::of::<k8s::wait::Wait>(),
    Definition::of::<nftables::rules::Rules>(),
    Definition::of::<server::etc_hosts::EtcHosts>(),
    Definition::of::<server::group::Group>(),
    Definition::of::<server::hostname::Hostname>(),
    Definition::of::<server::locale::Locale>(),
    Definition::of::<server::modprobe::Modprobe>(),
    Definition::of::<server::mount::Mount>(),
    Definition::of::<server::reboot::Reboot>(),
    Definition::of::<server::script::Script>(),
    Definition::of::<server::shell::Shell>(),
    Definition::of::<server::swap::Swap>(),
    Definition::of::<server::sysctl::Sysctl>(),
    Definition::of::<server::timezone::Timezone>(),
    Definition::of::<server::user::User>(),
    Definition::of::<server::user_authorized_keys::UserAuthorizedKeys>(),
    Definition::of::<server::wait::Wait>(),
    Definition::of::<ssh::keyscan::Keyscan>(),
    Definition::of::<ssh::server_config::ServerConfig>(),
    Definition::of::<sudo::rule::Rule>(),
    Definition::of::<systemd::daemon_reload::DaemonReload>(),
    Definition::of::<systemd::service::Service>(),
    Definition::of::<systemd::timer::Timer>(),
    Definition::of::<systemd::tmpfiles::Tmpfiles>(),
    Definition::of::<systemd::unit::Unit>(),
    Definition::of::<verify::command::Command>(),
    Definition::of::<verify::file::File>(),
    Definition::of::<verify::http::Http>(),
    Definition::of::<verify::tcp::Tcp>(),
    Definition::of::<zfs::dataset::Dataset>(),
];

/// The operation with this name.
pub fn find(name: &str) -> Option<&'static Definition> {
    OPERATIONS.iter().find(|definition| definition.name == name)
}

/// The operations of a family, such as `files`; none if there is no such family.
pub fn family(name: &str) -> &'static [Definition] {
    let is_member = |definition: &Definition| definition.name.split('.').next() == Some(name);
    let start = OPERATIONS.iter().position(is_member).unwrap_or_default();
    let length = OPERATIONS.iter().filter(|definition| is_member(definition)).count();
    &OPERATIONS[start..start + length]
}

/// What to do about an operation that does not exist: the operation that was probably meant, or where all are listed.
pub fn operation_suggestion(name: &str) -> String {
    let names = names();
    habits::operation(name, &names)
        .or_else(|| suggestion(name, names.iter().copied()))
        .unwrap_or_else(|| "`homelab operations` lists all operations".to_owned())
}

/// What to do about a key that is the name of an operation.
pub fn operation_as_key(key: &str) -> Option<String> {
    habits::operation_as_key(key, &names())
}

fn names() -> Vec<&'static str> {
    OPERATIONS.iter().map(|definition| definition.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_all_operations_of_its_name() {
        let names: Vec<&str> = family("verify").iter().map(|definition| definition.name).collect();
        assert_eq!(names, ["verify.command", "verify.file", "verify.http", "verify.tcp"]);
        assert!(family("verif").is_empty());
    }

    #[test]
    fn habits_lead_to_operations_that_exist() {
        for word in habits::operation_words() {
            assert!(habits::operation(word, &super::names()).is_some(), "{word}");
        }
        assert_eq!(operation_suggestion("files.putt"), "did you mean `files.put`?");
        assert_eq!(
            operation_suggestion("ansible.builtin.apt"),
            "did you mean `apt.packages`?"
        );
    }

    #[test]
    fn the_path_is_the_name_and_every_file_is_in_the_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/operations");
        let mut named = Vec::new();
        for folder in std::fs::read_dir(&root)
            .expect("readable")
            .flatten()
            .filter(|entry| entry.path().is_dir())
        {
            let files = std::fs::read_dir(folder.path()).expect("readable").flatten();
            for file in files.filter(|file| file.path().is_file()) {
                let text = std::fs::read_to_string(file.path()).expect("readable");
                if text.contains("impl Define for") {
                    let stem = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
                    named.push(format!("{}.{stem}", folder.file_name().to_string_lossy()));
                }
            }
        }
        named.sort();
        let table: Vec<&str> = OPERATIONS.iter().map(|definition| definition.name).collect();
        assert_eq!(named, table);
    }
}
