//! Words in templates: what users of Ansible, Jinja and Python write.

use super::answer::Answer::{self, Do, Own};
use super::answer::SECRET;

/// Filters of Ansible and Jinja.
pub(super) const FILTERS: &[(&str, Answer)] = &[
    ("ansible_name shell_escape shellquote", Do("use `quote`")),
    ("b64 base64 base64encode", Do("use `b64encode`")),
    ("base64decode", Do("use `b64decode`")),
    ("basename", Do("use `split('/') | last`")),
    ("bool_", Do("use `bool`")),
    ("capitalise", Do("use `capitalize`")),
    ("center", Do("there is no such filter: write the spaces")),
    (
        "checksum hash md5 sha1 sha256",
        Do("there is no such filter: write the digest into the data; homelab compares files by their digests itself"),
    ),
    (
        "combinations permutations product",
        Do("write two `{% for %}` loops, one in the other"),
    ),
    (
        "combine",
        Do("tables in data are merged by group and host; there is no filter for it"),
    ),
    ("comment", Do("write the comment signs: `# {{ … }}`")),
    (
        "commonpath relpath",
        Do("there is no such filter: write the path into the data"),
    ),
    ("dict2items", Do("use `items`: `{% for key, value in table | items %}`")),
    ("difference", Do("use `reject('in', other)`")),
    (
        "dirname win_dirname",
        Do("there is no such filter: write the directory into the data"),
    ),
    ("expanduser", Do("use `facts.users.NAME.home`")),
    ("expandvars", Do("set the value with `--data key=value`")),
    (
        "extract",
        Do("use brackets: `table[key]`; for each key of a list a `{% for %}` loop"),
    ),
    ("fileglob", Do("templates see no files: list the names in the data")),
    (
        "filesizeformat human_readable",
        Do("calculate it, such as `n // 1048576`"),
    ),
    ("flatten", Do("add the lists: `a + b`")),
    ("forceescape", Do("use `escape`")),
    (
        "from_csv from_ini from_json from_yaml from_yaml_all",
        Do("there is no such filter: write the value as TOML in `group_data/`, where it keeps its types"),
    ),
    ("human_to_bytes", Do("write the number, such as `512 * 1048576`")),
    ("intersect", Do("use `select('in', other)`")),
    (
        "ipaddr ipmath ipsubnet ipv4 ipv6 ipwrap nthhost",
        Do("there is no such filter: write the address into the data"),
    ),
    ("items2dict", Do("write a table in the data")),
    ("json_query", Do("use `selectattr` and `map(attribute='name')`")),
    ("len size", Do("use `length`")),
    (
        "log root",
        Do("there is no such filter: write the result into the data"),
    ),
    ("lowercase", Do("use `lower`")),
    ("ltrim rtrim strip", Do("use `trim`")),
    ("mandatory", Do("leave it out: an undefined name is an error anyway")),
    ("normpath realpath", Do("write the path in its shortest form")),
    ("path_join", Do("use `join('/')`")),
    ("pow", Do("use `**`, such as `2 ** 10`")),
    (
        "random random_mac shuffle",
        Do("templates give the same result each time: there is no such filter"),
    ),
    ("regex_escape", Do("use `replace`, which takes plain text")),
    ("regex_findall", Do("use `split` and `select`")),
    (
        "regex_search",
        Do("use `in`, or `regex_replace` with groups: `regex_replace('^.*(…).*$', '\\1')`"),
    ),
    ("rekey_on_member", Do("write a table in the data, by that key")),
    ("splitext", Do("use `split('.')`")),
    ("splitlines", Do("use `lines`")),
    ("str", Do("use `string`")),
    (
        "strftime to_datetime",
        Do("templates give the same result each time: they have no clock"),
    ),
    ("striptags urlize xmlattr", Do("there is no such filter")),
    ("subelements", Do("write two `{% for %}` loops, one in the other")),
    ("symmetric_difference", Do("use `reject('in', other)` of both lists")),
    ("ternary", Do("write `a if condition else b`")),
    ("to_env to_dotenv", Do("use `dotenv`")),
    ("to_ini", Do("write the lines: `{% for key, value in table | items %}`")),
    ("to_nice_json", Do("use `to_json(indent=2)`")),
    ("to_nice_yaml toyaml", Do("use `to_yaml`")),
    ("to_uuid", Do("there is no such filter: write the UUID into the data")),
    ("truncate", Do("use a slice: `name[:20]`")),
    ("type_debug", Do("use a test, such as `name is string`")),
    ("undef", Do("leave it out: an undefined name is an error anyway")),
    ("union", Do("use `(a + b) | unique`")),
    ("unvault vault", SECRET),
    ("uppercase", Do("use `upper`")),
    (
        "urldecode urlencode urlsplit",
        Do("there is no such filter: write the result into the data"),
    ),
    ("version", Do("use `split('.')` and compare numbers")),
    ("win_basename win_splitdrive", Do("use `split('\\') | last`")),
    ("wordcount", Do("use `split | length`")),
    ("wordwrap", Do("there is no such filter: break the lines")),
    ("zip_longest", Do("use `zip`")),
];

/// Tests of Ansible and Jinja, as in `name is changed`.
pub(super) const TESTS: &[(&str, Answer)] = &[
    ("abs", Do("use `startingwith('/')`")),
    ("all", Do("use `select` and compare the lengths")),
    ("any", Do("use `select | length > 0`")),
    (
        "changed",
        Do("an operation with `notify` runs after changes; results are not available to conditions"),
    ),
    ("contains", Do("write it the other way round: `part in whole`")),
    ("dict", Do("use `mapping`")),
    (
        "directory exists file link",
        Do("facts of paths are not available to conditions: use `creates` or `only_if`"),
    ),
    ("empty", Do("use `length`: `name | length == 0`")),
    (
        "failed skipped succeeded success",
        Do("results of operations are not available to conditions"),
    ),
    ("list", Do("use `sequence`")),
    ("match", Do("use `startingwith`")),
    ("null", Do("use `none`")),
    ("regex", Do("use `in`, or the tests `startingwith` and `endingwith`")),
    ("search", Do("use `in`: `part in whole`")),
    ("subset superset", Do("use `reject('in', other)`")),
    ("truthy falsy", Do("compare it, such as `name == 'x'`")),
    ("version version_compare", Do("use `split('.')` and compare numbers")),
];

/// Functions of Ansible, Jinja and Python.
pub(super) const FUNCTIONS: &[(&str, Answer)] = &[
    ("abs", Do("use the filter `abs`")),
    ("bool", Do("use the filter `bool`")),
    ("cycler", Do("use `loop.cycle`")),
    ("env", Do("set the value with `--data key=value`")),
    ("float", Do("use the filter `float`")),
    ("int", Do("use the filter `int`")),
    ("joiner", Do("use the filter `join`")),
    ("len", Do("use the filter `length`")),
    ("list", Do("use the filter `list`")),
    ("max", Do("use the filter `max`")),
    ("min", Do("use the filter `min`")),
    (
        "now",
        Do("templates give the same result each time: they have no clock"),
    ),
    ("print", Do("write `{{ name }}`")),
    ("q", Do("set the value in `group_data/` or with `--data key=value`")),
    ("quote", Do("use the filter: `{{ name | quote }}`")),
    ("round", Do("use the filter `round`")),
    ("sorted", Do("use the filter `sort`")),
    ("str", Do("use the filter `string`")),
    ("sum", Do("use the filter `sum`")),
    ("undef", Do("leave it out: an undefined name is an error anyway")),
];

/// Methods of Python, as in `name.upper()`.
pub(super) const METHODS: &[(&str, Answer)] = &[
    ("append", Do("join lists: `{% set a = a + [b] %}`")),
    ("capitalize", Do("use the filter `capitalize`")),
    ("count", Do("use the filter `length`")),
    ("endswith", Do("use the test: `name is endingwith('…')`")),
    ("extend", Do("join lists: `{% set a = a + b %}`")),
    ("find", Do("use `in`: `part in whole`")),
    ("format", Do("use the filter: `'%s' | format(name)`")),
    (
        "get_group get_host",
        Do(
            "`hosts` has all hosts of the inventory, such as `hosts['dns'].address`; `groups` are the groups of this host",
        ),
    ),
    ("get", Do("use `name['key'] | default('…')`")),
    ("index", Do("use `loop.index0`")),
    ("items values", Do("use the filter: `name | items`")),
    ("join", Do("use the filter: `list | join(', ')`")),
    ("keys", Do("a loop over a table goes over its keys")),
    ("lower", Do("use the filter `lower`")),
    ("lstrip rstrip strip", Do("use the filter `trim`")),
    ("replace", Do("use the filter: `name | replace('a', 'b')`")),
    ("split", Do("use the filter: `name | split(',')`")),
    ("splitlines", Do("use the filter `lines`")),
    ("startswith", Do("use the test: `name is startingwith('…')`")),
    ("title", Do("use the filter `title`")),
    ("upper", Do("use the filter `upper`")),
    ("update", Do("tables in data are merged by group and host")),
];
/// Variables of Ansible and pyinfra, and words that are no names here.
pub(super) const NAMES: &[(&str, Answer)] = &[
    ("ansible_architecture", Own("facts.architecture")),
    (
        "ansible_check_mode",
        Do("remove it: a dry run plans what the deploy does"),
    ),
    ("ansible_distribution", Own("facts.os.id")),
    ("ansible_distribution_release", Own("facts.os.codename")),
    ("ansible_distribution_version", Own("facts.os.version")),
    ("ansible_facts", Own("facts")),
    ("ansible_os_family", Own("facts.os.family")),
    (
        "ansible_fqdn ansible_hostname inventory_hostname inventory_hostname_short",
        Own("host.name"),
    ),
    ("ansible_host", Own("host.address")),
    ("ansible_managed", Do("write the comment in the template")),
    (
        "ansible_user",
        Do("set data of your own: the login user is not known to templates"),
    ),
    ("group_names", Own("groups")),
    (
        "hostvars",
        Do(
            "use `hosts[name]`: `.address`, `.data.KEY` for what the inventory sets for that host, and `.facts`, such as `.facts.hostname`",
        ),
    ),
    (
        "ansible_play_batch ansible_play_hosts ansible_play_hosts_all play_hosts",
        Do("`hosts` has all hosts of the inventory: `{% for name in hosts %}`"),
    ),
    (
        "lookup query",
        Do(
            "write `env('NAME')` for a variable of your environment; write other values in `group_data/`, or include a file of `templates/`",
        ),
    ),
    ("omit", Do("write the operation twice, each with its own `when`")),
    ("secret secrets sops vault", SECRET),
    ("Yes YES yes On ON on TRUE", Do("write `true`")),
    ("No NO no Off OFF off FALSE", Do("write `false`")),
    ("nil NULL null undefined", Do("write `none`")),
];
