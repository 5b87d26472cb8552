//! Filters, tests, functions and methods of Ansible, Jinja and Python, and what to write instead.

/// The hint for a filter.
pub(super) fn filter(name: &str) -> Option<&'static str> {
    let short = name.rsplit('.').next().unwrap_or(name);
    find(FILTERS, short)
}

/// The hint for a test.
pub(super) fn test(name: &str) -> Option<&'static str> {
    let short = name.rsplit('.').next().unwrap_or(name);
    find(TESTS, short)
}

/// The hint for a function.
pub(super) fn function(name: &str) -> Option<&'static str> {
    find(FUNCTIONS, name)
}

/// The hint for a method, as in `name.upper()`.
pub(super) fn method(name: &str) -> Option<&'static str> {
    find(METHODS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, own)| *own)
}

const NOT_YET: &str = "there is no such filter yet: write the result into the data";

const FILTERS: &[(&str, &str)] = &[
    ("ansible_name", "use `quote`"),
    ("b64decode", NOT_YET),
    ("b64encode", NOT_YET),
    ("basename", "use `split('/') | last`"),
    ("bool_", "use `bool`"),
    ("capitalise", "use `capitalize`"),
    ("center", "there is no such filter: write the spaces"),
    (
        "combine",
        "tables in data are merged by group and host; there is no filter for it",
    ),
    ("comment", "write the comment signs: `# {{ … }}`"),
    ("dict2items", "use `items`"),
    ("difference", "use `reject('in', other)`"),
    ("dirname", "there is no such filter: write the directory into the data"),
    ("fileglob", "templates see no files: list the names in the data"),
    ("filesizeformat", "calculate it, such as `n // 1048576`"),
    ("flatten", "add the lists: `a + b`"),
    ("forceescape", "use `escape`"),
    ("from_json", NOT_YET),
    ("from_yaml", NOT_YET),
    ("hash", NOT_YET),
    ("human_readable", "calculate it, such as `n // 1048576`"),
    ("intersect", "use `select('in', other)`"),
    ("ipaddr", "there is no such filter: write the address into the data"),
    ("items2dict", "write a table in the data"),
    ("len", "use `length`"),
    ("lowercase", "use `lower`"),
    ("ltrim", "use `trim`"),
    ("mandatory", "leave it out: an undefined name is an error anyway"),
    ("md5", NOT_YET),
    ("password_hash", NOT_YET),
    (
        "random",
        "templates give the same result each time: there is no such filter",
    ),
    ("regex_findall", "use `split` and `select`"),
    ("regex_replace", "use `replace`, which takes plain text"),
    ("regex_search", "use `in`, or the tests `startingwith` and `endingwith`"),
    ("rtrim", "use `trim`"),
    ("sha1", NOT_YET),
    ("sha256", NOT_YET),
    ("shellquote", "use `quote`"),
    (
        "shuffle",
        "templates give the same result each time: there is no such filter",
    ),
    ("size", "use `length`"),
    ("splitext", "use `split('.')`"),
    ("splitlines", "use `lines`"),
    ("str", "use `string`"),
    ("strip", "use `trim`"),
    ("striptags", "there is no such filter"),
    ("ternary", "write `a if condition else b`"),
    ("to_datetime", NOT_YET),
    ("to_json", "use `tojson`"),
    ("to_nice_json", "use `tojson(indent=2)`"),
    ("to_nice_yaml", NOT_YET),
    ("to_yaml", NOT_YET),
    ("truncate", "use a slice: `name[:20]`"),
    ("type_debug", "use a test, such as `name is string`"),
    ("union", "use `(a + b) | unique`"),
    ("uppercase", "use `upper`"),
    ("urlencode", NOT_YET),
    ("urlize", "there is no such filter"),
    ("version", "use `split('.')` and compare numbers"),
    ("win_basename", "use `split('\\\\') | last`"),
    ("wordcount", "use `split | length`"),
    ("wordwrap", "there is no such filter: break the lines"),
    ("xmlattr", "there is no such filter"),
];

const TESTS: &[(&str, &str)] = &[
    ("abs", "use `startingwith('/')`"),
    ("all", "use `select` and compare the lengths"),
    ("any", "use `select | length > 0`"),
    (
        "changed",
        "an operation with `notify` runs after changes; results are not available to conditions",
    ),
    ("contains", "write it the other way round: `part in whole`"),
    ("dict", "use `mapping`"),
    (
        "directory",
        "facts of paths are not available to conditions: use `creates` or `only_if`",
    ),
    ("empty", "use `length`: `name | length == 0`"),
    (
        "exists",
        "facts of paths are not available to conditions: use `creates` or `only_if`",
    ),
    ("failed", "results of operations are not available to conditions"),
    (
        "file",
        "facts of paths are not available to conditions: use `creates` or `only_if`",
    ),
    (
        "link",
        "facts of paths are not available to conditions: use `creates` or `only_if`",
    ),
    ("list", "use `sequence`"),
    ("match", "use `startingwith`"),
    ("null", "use `none`"),
    ("regex", "use `in`, or the tests `startingwith` and `endingwith`"),
    ("search", "use `in`: `part in whole`"),
    ("skipped", "results of operations are not available to conditions"),
    ("subset", "use `reject('in', other)`"),
    ("succeeded", "results of operations are not available to conditions"),
    ("success", "results of operations are not available to conditions"),
    ("superset", "use `reject('in', other)`"),
    ("truthy", "compare it, such as `name == 'x'`"),
    ("falsy", "compare it, such as `name == 'x'`"),
    ("version", "use `split('.')` and compare numbers"),
    ("version_compare", "use `split('.')` and compare numbers"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "use the filter `abs`"),
    ("bool", "use the filter `bool`"),
    ("cycler", "use `loop.cycle`"),
    ("env", "set the value with `--data key=value`"),
    ("float", "use the filter `float`"),
    ("int", "use the filter `int`"),
    ("joiner", "use the filter `join`"),
    ("len", "use the filter `length`"),
    ("list", "use the filter `list`"),
    ("lookup", "set the value in `group_data/` or with `--data key=value`"),
    ("max", "use the filter `max`"),
    ("min", "use the filter `min`"),
    ("now", "templates give the same result each time: they have no clock"),
    ("print", "write `{{ name }}`"),
    ("q", "set the value in `group_data/` or with `--data key=value`"),
    ("query", "set the value in `group_data/` or with `--data key=value`"),
    ("quote", "use the filter: `{{ name | quote }}`"),
    ("round", "use the filter `round`"),
    ("sorted", "use the filter `sort`"),
    ("str", "use the filter `string`"),
    ("sum", "use the filter `sum`"),
    ("undef", "leave it out: an undefined name is an error anyway"),
];

const METHODS: &[(&str, &str)] = &[
    ("append", "join lists: `{% set a = a + [b] %}`"),
    ("capitalize", "use the filter `capitalize`"),
    ("count", "use the filter `length`"),
    ("endswith", "use the test: `name is endingwith('…')`"),
    ("extend", "join lists: `{% set a = a + b %}`"),
    ("find", "use `in`: `part in whole`"),
    ("format", "use the filter: `'%s' | format(name)`"),
    ("get", "use `name['key'] | default('…')`"),
    ("index", "use `loop.index0`"),
    ("items", "use the filter: `name | items`"),
    ("join", "use the filter: `list | join(', ')`"),
    ("keys", "a loop over a table goes over its keys"),
    ("lower", "use the filter `lower`"),
    ("lstrip", "use the filter `trim`"),
    ("replace", "use the filter: `name | replace('a', 'b')`"),
    ("rstrip", "use the filter `trim`"),
    ("split", "use the filter: `name | split(',')`"),
    ("splitlines", "use the filter `lines`"),
    ("startswith", "use the test: `name is startingwith('…')`"),
    ("strip", "use the filter `trim`"),
    ("title", "use the filter `title`"),
    ("upper", "use the filter `upper`"),
    ("update", "tables in data are merged by group and host"),
    ("values", "use the filter: `name | items`"),
];
