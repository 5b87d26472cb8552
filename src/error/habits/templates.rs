//! Words in templates: what users of Ansible, Jinja and Python write.

use super::answer::Answer::{self, Do, Own};
use super::answer::SECRET;

const NOT_YET: Answer = Do("there is no such filter yet: write the result into the data");

/// Filters of Ansible and Jinja.
pub(super) const FILTERS: &[(&str, Answer)] = &[
    ("ansible_name shellquote", Do("use `quote`")),
    (
        "b64decode b64encode from_json from_yaml hash md5 password_hash sha1 sha256 to_datetime to_nice_yaml to_yaml urlencode",
        NOT_YET,
    ),
    ("basename", Do("use `split('/') | last`")),
    ("bool_", Do("use `bool`")),
    ("capitalise", Do("use `capitalize`")),
    ("center", Do("there is no such filter: write the spaces")),
    (
        "combine",
        Do("tables in data are merged by group and host; there is no filter for it"),
    ),
    ("comment", Do("write the comment signs: `# {{ … }}`")),
    ("dict2items", Do("use `items`")),
    ("difference", Do("use `reject('in', other)`")),
    (
        "dirname",
        Do("there is no such filter: write the directory into the data"),
    ),
    ("fileglob", Do("templates see no files: list the names in the data")),
    (
        "filesizeformat human_readable",
        Do("calculate it, such as `n // 1048576`"),
    ),
    ("flatten", Do("add the lists: `a + b`")),
    ("forceescape", Do("use `escape`")),
    ("intersect", Do("use `select('in', other)`")),
    ("ipaddr", Do("there is no such filter: write the address into the data")),
    ("items2dict", Do("write a table in the data")),
    ("len size", Do("use `length`")),
    ("lowercase", Do("use `lower`")),
    ("ltrim rtrim strip", Do("use `trim`")),
    ("mandatory", Do("leave it out: an undefined name is an error anyway")),
    (
        "random shuffle",
        Do("templates give the same result each time: there is no such filter"),
    ),
    ("regex_findall", Do("use `split` and `select`")),
    ("regex_replace", Do("use `replace`, which takes plain text")),
    (
        "regex_search",
        Do("use `in`, or the tests `startingwith` and `endingwith`"),
    ),
    ("splitext", Do("use `split('.')`")),
    ("splitlines", Do("use `lines`")),
    ("str", Do("use `string`")),
    ("striptags urlize xmlattr", Do("there is no such filter")),
    ("ternary", Do("write `a if condition else b`")),
    ("to_json", Do("use `tojson`")),
    ("to_nice_json", Do("use `tojson(indent=2)`")),
    ("truncate", Do("use a slice: `name[:20]`")),
    ("type_debug", Do("use a test, such as `name is string`")),
    ("union", Do("use `(a + b) | unique`")),
    ("uppercase", Do("use `upper`")),
    ("version", Do("use `split('.')` and compare numbers")),
    ("win_basename", Do("use `split('\\\\') | last`")),
    ("wordcount", Do("use `split | length`")),
    ("wordwrap", Do("there is no such filter: break the lines")),
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
    ("hostvars", Own("hosts")),
    (
        "lookup query",
        Do("write the value in `group_data/`, pass it with `--data`, or include a file of `templates/`"),
    ),
    ("omit", Do("write the operation twice, each with its own `when`")),
    ("secret secrets sops vault", SECRET),
    ("Yes YES yes On ON on TRUE", Do("write `true`")),
    ("No NO no Off OFF off FALSE", Do("write `false`")),
    ("nil NULL null undefined", Do("write `none`")),
];
