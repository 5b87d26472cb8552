//! Modules of Ansible, operations of pyinfra, states of Salt, and resources of Puppet and Chef.
//!
//! A word with a dot is a whole name, `docker.` a whole family, and any other word the last part of a name.

use super::answer::Answer::{self, Do, If, Own};
use super::answer::{ABOUT_FACTS, SECRET, TO_INCLUDE};

const ON_REQUEST: Answer = Do("use `homelab exec INVENTORY PATTERN -- COMMAND`");
const BY_INSTALLER: Answer =
    Do("not in this version: run its installer with `server.shell`, and `creates` or `unless` as condition");
const BY_COMMAND: Answer =
    Do("not in this version: run its command with `server.shell`, and `unless` or another condition");

pub(super) const OPERATIONS: &[(&str, Answer)] = &[
    (
        "capture",
        Do("write `capture = \"NAME\"` and `file = \"/…\"` in place of `op`"),
    ),
    // Packages and their sources.
    (
        "apt apt_package aptitude dnf dnf5 dpkg install installed package packages pkg yum zypper",
        Own("apt.packages"),
    ),
    (
        "apt.purge apt.remove pkg.purged pkg.removed",
        Do("use `apt.packages` with `present = false`"),
    ),
    (
        "dist_upgrade full_upgrade latest pkg.uptodate upgraded",
        Own("apt.upgrade"),
    ),
    ("apt_update refresh_db update_cache", Own("apt.update")),
    (
        "apt.source apt.sources apt_repository deb822_repository pkgrepo.managed ppa repo repository yum_repository",
        Own("apt.sources_file"),
    ),
    ("apt_key key rpm_key", Own("apt.key")),
    (
        "apt.autoremove apt.clean",
        Do("not in this version: use `homelab exec INVENTORY PATTERN -- apt-get -y autoremove`"),
    ),
    ("deb", Own("apt.deb")),
    (
        "debconf",
        Do("not in this version: run `debconf-set-selections` with `server.shell` and `unless`"),
    ),
    ("dpkg_selections hold", Own("apt.hold")),
    (
        "brew. cargo. choco. flatpak. gem. go. homebrew. npm. opkg. pip. pip3. pipx. snap. uv. yarn. \
         cargo flatpak gem homebrew npm pip pipx pnpm snap uv yarn",
        BY_INSTALLER,
    ),
    // Files.
    ("cookbook_file copy file.managed managed", Own("files.put")),
    ("template", Own("files.template")),
    (
        "file",
        Do("use `files.file`, `files.directory` or `files.link`; `files.put` writes content"),
    ),
    ("touch", Own("files.file")),
    ("directory folder mkdir", Own("files.directory")),
    ("link ln symlink", Own("files.link")),
    ("append file_line line lineinfile", Own("files.line")),
    ("replace", Own("files.replace")),
    ("block blockinfile blockreplace", Own("files.block")),
    (
        "ini_file ini_setting",
        Do("write the whole file with `files.template`, single lines with `files.line`, or several with `files.block`"),
    ),
    (
        "file.recurse files.rsync recurse remote_directory rsync sync synchronize",
        Own("files.sync"),
    ),
    (
        "file.absent files.absent files.delete files.remove files.unlink",
        Do(
            "use `files.file` or `files.link` with `present = false`; for a directory run `rm -r` with `server.shell` and `removes`",
        ),
    ),
    ("files.rename mv rename", Own("files.move")),
    ("files.cp cp file.copy", Own("files.copy")),
    (
        "chmod chown files.mode files.owner files.permissions",
        Do("write `mode`, `user` and `group` of `files.file` or `files.directory`"),
    ),
    (
        "acl capabilities file_attributes flags setfacl xattr",
        Do("not in this version: run `setfacl`, `chattr` or `setcap` with `server.shell` and `unless`"),
    ),
    (
        "archive.extracted extracted unarchive unpack untar unzip",
        Own("files.unarchive"),
    ),
    ("curl download get_url remote_file wget", Own("files.download")),
    (
        "fetch files.get",
        Do("not in this version: copy it with `scp`, or print it with `homelab exec INVENTORY PATTERN -- cat FILE`"),
    ),
    (
        "assemble concat",
        Do("write a template that includes the parts: `{% include \"…\" %}`"),
    ),
    ("augeas xml", Do("write the whole file with `files.template`")),
    ("file.serialize json", Own("files.json")),
    (
        "stat",
        Do("use `verify.file` to check it; `creates` and `removes` of `server.shell` depend on a path"),
    ),
    (
        "find getent slurp",
        Do(
            "remove it: operations read the host by themselves; use `creates` or `removes` of `server.shell` for a path",
        ),
    ),
    // Users, and what a machine is called.
    ("group", Own("server.group")),
    ("user users", Own("server.user")),
    (
        "authorized_key authorized_keys ssh_auth.present ssh_authorized_key user_authorized_keys",
        Own("server.user_authorized_keys"),
    ),
    ("known_hosts keyscan", Own("ssh.keyscan")),
    ("sshd sshd_config", Own("ssh.server_config")),
    ("sudo sudoers", Own("sudo.rule")),
    ("hostname", Own("server.hostname")),
    ("etc_hosts host host.present hosts hostsfile", Own("server.etc_hosts")),
    ("timezone", Own("server.timezone")),
    ("locale locale_gen", Own("server.locale")),
    // Kernel, disks and network.
    ("sysctl", Own("server.sysctl")),
    ("kernel_module modprobe", Own("server.modprobe")),
    ("fstab mount mounted", Own("server.mount")),
    ("swap swap_file", Own("server.swap")),
    (
        "limits pam_limits security_limit security_limits",
        Do("put a file in `/etc/security/limits.d/` with `files.put`"),
    ),
    (
        "firewall. firewalld. iptables. nftables. ufw. firewall firewalld iptables nftables ufw",
        Own("nftables.rules"),
    ),
    (
        "interfaces_file netplan network nmcli",
        Do("put the configuration file of your network in place with `files.put` or `files.template`"),
    ),
    // Commands.
    (
        "bash cmd cmd.run command exec execute expect raw run shell win_command",
        Own("server.shell"),
    ),
    ("cmd.script script script_template", Own("server.script")),
    ("reboot", Own("server.reboot")),
    ("shutdown", Do("use `homelab exec INVENTORY PATTERN -- poweroff`")),
    (
        "alternatives filesystem htpasswd lvg lvol make openssl_certificate openssl_privatekey openssh_keypair parted \
         selinux seboolean zfs. mariadb. mysql. postgres. postgresql. mysql_db mysql_user postgresql_db \
         postgresql_user",
        BY_COMMAND,
    ),
    // Services.
    (
        "openrc rc_service service systemd systemd_service sysvinit supervisorctl",
        Own("systemd.service"),
    ),
    (
        "service.dead service.disabled service.enabled service.running service.start service.started service.stop \
         systemd.disable systemd.enable systemd.enabled systemd.start systemd.started systemd.stop systemd.stopped",
        Do("use `systemd.service` with `state` and `enabled`"),
    ),
    (
        "service.reload service.restart service.restarted systemd.reload systemd.reloaded systemd.restart \
         systemd.restarted restart restarted reload reloaded",
        Do("write a `[[handler]]` with `op = \"systemd.service\"` and `state = \"restarted\"`, and notify it"),
    ),
    (
        "mask masked systemd.mask",
        Do("use `systemd.service` with `masked = true`"),
    ),
    ("daemon_reload", Own("systemd.daemon_reload")),
    (
        "daemon_reload daemon-reload",
        Do("remove it: `systemd.unit` and `systemd.service` reload changed units"),
    ),
    ("systemd_unit unit unit_file", Own("systemd.unit")),
    ("cron cron_d crontab cronvar", Own("crontab.crontab")),
    ("systemd_timer timer", Own("systemd.timer")),
    ("tmpfiles", Own("systemd.tmpfiles")),
    // Containers and repositories.
    (
        "compose. docker.stack compose docker docker_compose docker_compose_v2 docker_stack",
        Own("docker.compose"),
    ),
    (
        "container. podman. container podman podman_container",
        Own("docker.container"),
    ),
    ("docker.plugin", BY_COMMAND),
    ("docker_image", Own("docker.image")),
    ("docker_container", Own("docker.container")),
    ("docker_container_exec", Own("docker.exec")),
    ("docker_login", Own("docker.login")),
    ("docker_network", Own("docker.network")),
    ("docker_prune", Own("docker.prune")),
    ("docker_volume", Own("docker.volume")),
    (
        "git.config git_config",
        Do("not in this version: put the user's `.gitconfig` or `/etc/gitconfig` in place with `files.put`"),
    ),
    ("git. hg subversion vcsrepo", BY_COMMAND),
    ("git git.clone git.pull git_clone", Own("git.repo")),
    ("k8s_exec", Own("k8s.exec")),
    ("k8s_taint", Own("k8s.node")),
    ("helm. k8s. kubernetes. helm k8s kubectl lxd. lxc. proxmox.", BY_COMMAND),
    // Checks.
    ("get http http_request uri", Own("verify.http")),
    ("port wait_for_connection", Own("verify.tcp")),
    ("wait wait_for", Own("server.wait")),
    ("verify.exec verify.shell", Own("verify.command")),
    (
        "verify.service verify.systemd verify.unit",
        Do("use `verify.command` with `command = [\"systemctl\", \"is-active\", \"UNIT\"]`"),
    ),
    (
        "assert",
        Do("use `required` for data, or `verify.command` and `verify.file` for the host"),
    ),
    (
        "fail raise_exception validate_argument_spec",
        Do("use `required` for data that must be set"),
    ),
    // Parts of a playbook.
    (
        "import_playbook import_role import_tasks include include_role include_tasks role",
        TO_INCLUDE,
    ),
    (
        "debug log notice print",
        Do("remove it: the review shows every change, and `homelab inventory show` data"),
    ),
    (
        "include_vars set_fact",
        Do("use `vars` of the task or of its entry in the deploy"),
    ),
    ("gather_facts package_facts service_facts setup", ABOUT_FACTS),
    (
        "add_host group_by",
        Do("write the host and its groups in the inventory"),
    ),
    ("meta flush_handlers", Do("write `flush` in the `[[handler]]`")),
    (
        "pause",
        Do("remove it: `verify.http` and `verify.tcp` wait for a service"),
    ),
    ("ping", ON_REQUEST),
    ("python.", Do("run it with `server.shell`")),
    ("ssh.", ON_REQUEST),
    ("secret secrets sops vault", SECRET),
    // The last part of many names: only where nothing else fits.
    (
        "delete remove",
        If("files.file", "use `present = false` of the operation that creates it"),
    ),
];
