//! Keys of playbooks, tasks, modules and inventories, and arguments of pyinfra.

use super::answer::Answer::{self, Do, If, Its, Own};
use super::answer::{NO_RESULT, TO_INCLUDE};

const IN_CONNECTION: Answer = If(
    "connection",
    "write it in `connection`: `user`, `port`, `identity_file`, `become` and `become_user`",
);
const BEFORE_IT: Answer = If("packages", "write an operation `apt.update` before this one");
const HASH_OF_USER: &str = "write `password` with a hash, as the filter `password_hash` makes it";
const KEYS_OF_USER: &str = "use `server.user_authorized_keys` after this operation";

const IN_HANDLER: &str = "write `state = \"restarted\"`, in a `[[handler]]` that is notified";
const LINE_AT_THE_END: &str =
    "not in this version: a new line is added at the end; `files.block` has `after` and `before`";
const SERVICE_AFTER_IT: &str = "write an operation `systemd.service` after this one";

/// Keys with certain values, each with its words: the value decides what is meant.
pub(super) const VALUES: &[(&str, &str, Answer)] = &[
    (
        "state",
        "absent removed purged false",
        If("present", "write `present = false`"),
    ),
    (
        "state",
        "latest",
        If("packages", "remove it, and use `apt.upgrade` for newer versions"),
    ),
    (
        "state",
        "present installed exists true",
        If("present", "remove it: `present = true` is the default"),
    ),
    (
        "state",
        "present installed exists true",
        If("dest", "remove it: the file is always written"),
    ),
    (
        "state",
        "directory",
        If("recursive", "remove it: `files.directory` is about a directory"),
    ),
    ("state", "directory", If("path", "use `op = \"files.directory\"`")),
    ("state", "link", If("target", "remove it: `files.link` is about a link")),
    ("state", "link", If("path", "use `op = \"files.link\"`")),
    ("state", "touch", If("touch", "write `touch = true`")),
    ("state", "file", If("path", "remove it: `files.file` is about a file")),
    (
        "state",
        "restarted",
        If(
            "project_name",
            "remove it: a service is restarted when a file changes that it uses",
        ),
    ),
    ("running started", "true", If("state", "write `state = \"started\"`")),
    ("running started", "false", If("state", "write `state = \"stopped\"`")),
    ("restarted", "true", If("state", IN_HANDLER)),
    (
        "reloaded",
        "true",
        If("state", "write `state = \"reloaded\"`, in a `[[handler]]`"),
    ),
    ("force", "false no", If("if_exists", "write `if_exists = \"keep\"`")),
    (
        "latest",
        "true",
        If("packages", "remove it, and use `apt.upgrade` for newer versions"),
    ),
    (
        "connection",
        "local ssh",
        Do("write `connection = { local = true }` for this machine; all others use SSH"),
    ),
];

pub(super) const KEYS: &[(&str, Answer)] = &[
    // Of single operations, each told by a key that only it has.
    ("block", Its("marker", "content")),
    ("after before insertafter insertbefore", If("line", LINE_AT_THE_END)),
    ("insertafter", Own("after")),
    ("insertbefore", Own("before")),
    (
        "backrefs",
        If("line", "use `files.replace`, where `replace` may hold `$1`"),
    ),
    ("text", Its("line", "line")),
    ("text", Its("flags", "matching")),
    ("replacement", Own("replace")),
    (
        "if_exists",
        If("line marker flags", "remove it: the rest of the file is always kept"),
    ),
    ("checksum", Own("sha256")),
    ("rc return_code returncode", Own("exit_code")),
    ("output stdout", Its("exit_code", "contains")),
    ("argv cmd", Own("command")),
    ("exec_start ExecStart", Own("command")),
    (
        "exec_start ExecStart",
        If("drop_in", "write it in `content`, as a line of the unit file"),
    ),
    (
        "enabled running restarted started state",
        If("drop_in", SERVICE_AFTER_IT),
    ),
    (
        "running started state",
        If("on_calendar", "remove it: an enabled timer is started"),
    ),
    ("source src", Its("target", "target")),
    ("recurse", Own("recursive")),
    (
        "vars variables",
        If("dest", "remove it: a template sees all data, and `vars` of its task"),
    ),
    (
        "create_parents create_remote_dir makedirs",
        If(
            "dest line marker",
            "write an operation `files.directory` before this one",
        ),
    ),
    ("force", If("packages", "remove it: what apt refuses is an error")),
    ("repo repository url", Its("revision", "src")),
    ("url", Its("sha256", "src")),
    ("source src", Its("fs_type", "device")),
    ("opts", Its("fs_type", "options")),
    (
        "tag version",
        If("image", "write it in `image`, such as `\"caddy:2.10\"`"),
    ),
    ("project_src", Its("project_name", "project_directory")),
    ("src", Its("project_name", "stack")),
    ("wait_timeout", Its("project_name", "within")),
    (
        "wait",
        If("project_name", "remove it: the deploy waits until services run"),
    ),
    (
        "definition",
        If(
            "project_name",
            "write a compose file below `templates/services/NAME/`, and `stack = \"NAME\"`",
        ),
    ),
    (
        "build",
        If(
            "project_name",
            "remove it: services with `build` are built when their files change",
        ),
    ),
    ("until", Own("older_than")),
    ("all images_filters", If("older_than", "write `images = \"unused\"`")),
    ("source", If("image", "remove it: an image that is missing is pulled")),
    ("driver_options driver_opts", Own("opts")),
    ("job", Its("cron_name", "command")),
    ("authorized_keys key keys", Own("public_keys")),
    ("weekday", Own("day_of_week")),
    ("day", Own("day_of_month")),
    ("hostnames hosts", Its("address", "names")),
    // Of every task.
    ("_if", Own("when")),
    ("_sudo become_enabled sudo", Own("become")),
    ("_sudo_user _su_user sudo_user", Own("become_user")),
    ("_env env_vars environ environment", Own("env")),
    (
        "_env env_vars environ environment",
        Do("write the variables in the command, such as `LANG=C sort`"),
    ),
    ("_timeout async", Own("timeout")),
    ("_retries retry", Own("retries")),
    ("_ignore_errors ignore_errors", Own("on_error")),
    (
        "_ignore_errors ignore_errors",
        Do("let the command exit with 0, for example with `|| true`"),
    ),
    ("args module_args", Do("write the parameters beside `op`")),
    ("block", TO_INCLUDE),
    (
        "changed_when",
        Do("use `creates`, `unless` or `only_if` of `server.shell`"),
    ),
    ("check_mode", Do("remove it: a dry run changes nothing")),
    (
        "delegate_to",
        Do("put it in a task of its own, and deploy that to the other host in a `[[stage]]`"),
    ),
    ("failed_when", Do("let the command exit with another code than 0")),
    ("if only_when", Own("when")),
    (
        "loop loop_control with_dict with_fileglob with_items with_list with_nested with_subelements",
        Own("for_each"),
    ),
    ("import_tasks include_role include_tasks import_role", Own("include")),
    (
        "local_action",
        Do("deploy it to a host with `connection = { local = true }`"),
    ),
    (
        "no_log",
        Do("remove it: content that not every user of the host may read is hidden"),
    ),
    ("operation", Own("op")),
    ("register", NO_RESULT),
    (
        "capture captures",
        If(
            "operation",
            "write `capture = \"NAME\"` and `file = \"/…\"` in an `[[operation]]`, in place of `op`",
        ),
    ),
    (
        "run_once",
        Do("deploy it to one host, in a `[[stage]]` with its own `hosts`"),
    ),
    ("tag", Own("tags")),
    (
        "until",
        Do("use `verify.http` or `verify.tcp`, which wait for a service"),
    ),
    // Of playbooks.
    ("any_errors_fatal max_fail_percentage", Own("max_fail")),
    ("gather_facts", Do("remove it: facts are read when something uses them")),
    ("handlers", Own("handler")),
    ("host", Own("hosts")),
    ("operations task tasks", Own("operation")),
    ("role roles", Own("tasks")),
    (
        "strategy",
        Do("use `serial` to set how many hosts are deployed at a time"),
    ),
    (
        "vars_files vars_prompt",
        Do("write data in `group_data/GROUP.toml`, or pass it with `--data`"),
    ),
    // Of modules and operations.
    (
        "backup",
        Do("remove it: a file is replaced in one step, and git has the earlier one"),
    ),
    ("cache_valid_time", Own("cache_time")),
    ("cache_time cache_valid_time update update_cache", BEFORE_IT),
    (
        "latest upgrade",
        If("packages", "remove it, and use `apt.upgrade` for newer versions"),
    ),
    (
        "version versions",
        If("packages", "write the version behind the name: `\"NAME=VERSION\"`"),
    ),
    ("install_recommends no_install_recommends", Own("no_recommends")),
    ("name names package pkg pkgs", Own("packages")),
    ("chdir cwd", If("commands", "write it in the command: `cd FOLDER && …`")),
    ("executable", If("commands", "write it in the command: `bash -c '…'`")),
    ("cmd command", Own("commands")),
    (
        "daemon_reload",
        If("service drop_in on_calendar", "remove it: changed units are reloaded"),
    ),
    ("running restarted reloaded started", Own("state")),
    ("name unit", Own("service")),
    ("name username", Own("user")),
    ("name groupname", Own("group")),
    ("authorized_keys public_keys ssh_keys", If("create_home", KEYS_OF_USER)),
    ("password_hash passwd", If("create_home", HASH_OF_USER)),
    ("createhome ensure_home", Own("create_home")),
    ("gecos", Own("comment")),
    ("remove", Own("remove_home")),
    (
        "assume_present force",
        If(
            "target",
            "remove it: another link is replaced, and nothing else; remove a file in its place first, with `files.file`",
        ),
    ),
    (
        "assume_present force",
        Do("remove it: the review shows what is replaced"),
    ),
    ("dest dst path", Its("capture", "file")),
    ("name", If("capture", "remove it: the value of `capture` is its name")),
    ("destination path remote_path", Own("dest")),
    ("dest name dst file", Own("path")),
    ("source local_path template", Own("src")),
    ("text", Own("content")),
    ("regexp regex replace", Own("matching")),
    (
        "recurse recursive",
        If(
            "mode",
            "not in this version: run `chown -R` with `server.shell` and `unless`",
        ),
    ),
    ("owner", Own("user")),
    ("permissions perms", Own("mode")),
    ("ensure exists state", Own("present")),
    ("status_code", Own("status")),
    ("user", If("become_user", "did you mean `become_user`?")),
    // Of inventories and their hosts.
    (
        "ansible_become ansible_port ansible_user ansible_ssh_private_key_file ansible_ssh_user",
        IN_CONNECTION,
    ),
    (
        "become become_user identity identity_file jump key port remote_user ssh_key ssh_port ssh_user sudo user username",
        IN_CONNECTION,
    ),
    (
        "ansible_connection",
        Do("write `connection = { local = true }` for this machine; all others use SSH"),
    ),
    (
        "ansible_host host hostname ip ip_address ipv4 ssh_hostname",
        Own("address"),
    ),
    (
        "ansible_password password ssh_password",
        If(
            "identity_file",
            "log in with a key: `connection = { identity_file = … }`",
        ),
    ),
    (
        "ansible_password password ssh_password",
        If("connection", "log in with a key: `connection = { identity_file = … }`"),
    ),
    (
        "become_method",
        Do("write `become = \"sudo\"` in `connection` of the inventory"),
    ),
    ("key private_key ssh_key", Own("identity_file")),
    ("bastion proxy_jump proxy", Own("jump")),
    (
        "bastion proxy_jump proxy",
        If("connection", "write `jump` in `connection`"),
    ),
    ("children", Do("write `groups = [\"…\"]` in each host")),
    ("group", Own("groups")),
    (
        "all",
        If(
            "hosts",
            "write hosts as `[hosts.NAME]`, and data of all hosts in `group_data/all.toml`",
        ),
    ),
    ("vars variables", Own("data")),
];
