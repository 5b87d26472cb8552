use super::*;
use crate::error::SourceFile;
use crate::value::parse_toml;

fn scope(data: &str, facts: Result<minijinja::Value, String>) -> Bindings {
    let file = SourceFile::new("group_data/all.toml", data);
    Bindings::new(TemplateData::new(parse_toml(&file).expect("valid TOML"), facts))
}

fn render_in(scope: &Bindings, value: &str) -> Result<Kind, Diagnostic> {
    let file = SourceFile::new("tasks/t.toml", format!("v = {value}"));
    let table = parse_toml(&file).expect("valid TOML");
    scope.render(&table["v"].value).map(|value| value.kind)
}

fn render(data: &str, value: &str) -> Result<Kind, Diagnostic> {
    let facts = minijinja::context! { os => minijinja::context! { id => "debian" } };
    render_in(&scope(data, Ok(facts)), value)
}

fn text(text: &str) -> Kind {
    Kind::String(text.to_owned())
}

fn mistake(data: &str, value: &str) -> (String, Option<String>) {
    let mistake = render(data, value).expect_err("a mistake");
    (mistake.to_string(), mistake.hint)
}

#[test]
fn a_lone_expression_keeps_its_type() {
    assert_eq!(render("n = 3", "'{{ n }}'").unwrap(), Kind::Integer(3));
    assert_eq!(render("n = 3", "' {{ n + 1 }} '").unwrap(), Kind::Integer(4));
    assert_eq!(render("n = 1.5", "'{{ n }}'").unwrap(), Kind::Float(1.5));
    assert_eq!(render("n = 3\nm = 4", "'{{ n }}{{ m }}'").unwrap(), text("34"));
    assert_eq!(render("n = 3", "'{{ n }} '").unwrap(), Kind::Integer(3));
    assert_eq!(render("s = 'x'", "\"{{ s }}\\n\"").unwrap(), text("x\n"));
    assert_eq!(render("b = true", "'{{ not b }}'").unwrap(), Kind::Bool(false));
    // A written line break is part of the file.
    assert_eq!(render("n = 3", "\"{{ n }}\\n\"").unwrap(), text("3\n"));
    assert_eq!(render("s = 'x'", "\"\"\"\n{{ s }}\n\"\"\"").unwrap(), text("x\n"));
}

#[test]
fn data_is_rendered_when_used_and_tables_are_lazy() {
    let data = "path = '/mnt'\n[docker]\nbase = '{{ path }}/d'\nroot = '{{ docker.base }}/root'\nbroken = '{{ nope }}'";
    assert_eq!(render(data, "'{{ docker.root }}'").unwrap(), text("/mnt/d/root"));
    assert_eq!(
        render(data, "'in {{ docker.root }}!'").unwrap(),
        text("in /mnt/d/root!")
    );
}

#[test]
fn a_template_has_an_end() {
    let loops = "'''{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'''";
    let (message, hint) = mistake("", loops);
    assert!(message.contains("this template does not end in time"), "{message}");
    assert_eq!(hint.as_deref(), Some("loop over less"));
    for twice in ["{{ x }}{{ x }}", "{{ x ~ x }}"] {
        let mut data = vec![format!("x0 = '{}'", "a".repeat(1000))];
        data.extend((1..30).map(|number| format!("x{number} = '{}'", twice.replace('x', &format!("x{}", number - 1)))));
        let data = data.join("\n");
        let (message, _) = mistake(&data, "'{{ x29 }}'");
        assert!(message.contains("this template makes too much text"), "{message}");
    }
}

#[test]
fn a_ring_of_data_is_told_with_its_members() {
    let (message, _) = mistake("a = '{{ b }}'\nb = '{{ c }}'\nc = '{{ a }}'", "'{{ a }}'");
    assert_eq!(
        message,
        "group_data/all.toml:1:5: data refers to itself: `a` → `b` → `c` → `a`"
    );
}

#[test]
fn undefined_is_an_error_everywhere_with_the_exact_place() {
    assert_eq!(
        mistake("docker = { subnet = 'x' }", "'a {{ docker.subnt }}'"),
        (
            "tasks/t.toml:1:11: `docker.subnt` is undefined".to_owned(),
            Some("did you mean `docker.subnet`?".to_owned())
        )
    );
    assert_eq!(
        mistake("path = 'x'", "'{{ pth }}'").1,
        Some("did you mean `path`?".to_owned())
    );
    let (message, _) = mistake("docker = { subnet = 'x' }", "'{{ [docker.subnt] }}'");
    assert!(message.contains("`docker.subnt` is undefined"), "{message}");
}

#[test]
fn a_mistake_in_data_is_blamed_where_the_data_is_written() {
    let mistake = render("root = '{{ bas }}/x'\nbase = 'y'", "'{{ root }}'").expect_err("a mistake");
    assert_eq!(mistake.to_string(), "group_data/all.toml:1:12: `bas` is undefined");
    assert_eq!(mistake.labels[1].text, "used here");
}

#[test]
fn what_touches_an_unknown_fact_is_unknown() {
    let unread = scope("base = '{{ facts.os.codename }}/x'", Err("not read yet".to_owned()));
    for value in [
        "'{{ facts.os.id }}'",
        "'{{ facts.hostname }}'",
        "'{{ [facts.hostname] }}'",
        "'x {{ facts.os.id }}'",
        "'{% if facts.os.id == \"debian\" %}a{% else %}b{% endif %}'",
        "'{{ facts.cpus * 2 }}'",
        "'{% for a in facts.addresses %}x{% endfor %}'",
        "'{{ base }}'",
    ] {
        assert_eq!(
            render_in(&unread, value).unwrap(),
            Kind::Unknown("not read yet".into()),
            "{value}"
        );
    }
    assert_eq!(render("", "'{{ facts.os.id }}'").unwrap(), text("debian"));
    let lone = unread.evaluate("facts.init", None).unwrap().kind;
    assert_eq!(lone, Kind::Unknown("not read yet".into()));
}

#[test]
fn braces_in_a_bare_expression_are_refused_with_the_bare_form() {
    let mistake = scope("a = 1", Err(String::new()))
        .evaluate("{{ a == 1 }}", None)
        .expect_err("a mistake");
    assert_eq!(mistake.hint.as_deref(), Some("write `a == 1`"));
}

#[test]
fn a_value_taken_over_whole_keeps_its_own_place() {
    let scope = scope("docker = { packages = ['a'] }", Err(String::new()));
    let value = scope.evaluate("docker.packages", None).expect("a list");
    assert_eq!(value.origin.expect("place").to_string(), "group_data/all.toml:1:23");
}

#[test]
fn items_are_seen_as_item() {
    let scope = scope("", Err(String::new()));
    let item = scope.with_item(Value::string("web"));
    assert_eq!(render_in(&item, "'net-{{ item }}'").unwrap(), text("net-web"));
    assert!(render_in(&scope, "'{{ item }}'").is_err());
}

fn files(files: &[(&str, &str)]) -> std::sync::Arc<crate::content::Assets> {
    let mut assets = crate::content::Assets::default();
    for (name, text) in files {
        assets.insert(*name, text.as_bytes());
    }
    std::sync::Arc::new(assets)
}

fn render_file(list: &[(&str, &str)]) -> Result<Result<crate::value::Text, crate::value::Why>, Diagnostic> {
    let facts = Ok(minijinja::context! { os => minijinja::context! { id => "debian" } });
    scope("port = 80\nname = 'a'\nroot = '{{ bas }}'\nlist = ['x', 'y']", facts).render_file(&files(list), list[0].0)
}

fn file_mistake(list: &[(&str, &str)]) -> (String, Option<String>) {
    let mistake = render_file(list).expect_err("a mistake");
    (mistake.to_string(), mistake.hint)
}

#[test]
fn a_file_keeps_its_white_space_and_its_last_line_break() {
    let text = "listen {% if port == 80 %}80{% endif %}\n{% for x in list %}{{ x }}\n{% endfor %}\nend\n";
    let rendered = render_file(&[("a", text)]).expect("renders");
    assert_eq!(
        rendered,
        Ok(crate::value::Text::open("listen 80\nx\ny\n\nend\n".to_owned()))
    );
    assert_eq!(render("n = 3", "\"a {{ n }}\\n\"").unwrap(), text_of("a 3\n"));
}

fn text_of(text: &str) -> Kind {
    Kind::String(text.to_owned())
}

#[test]
fn files_include_one_another_and_json_is_not_escaped() {
    let rendered = render_file(&[
        ("x.yaml", "{% include 'd/part' %}!\n"),
        ("d/part", "{{ name }} {{ facts.os.id }}"),
    ]);
    assert_eq!(rendered, Ok(Ok(crate::value::Text::open("a debian!\n".to_owned()))));
}

#[test]
fn mistakes_in_files_name_their_line_and_column() {
    assert_eq!(
        file_mistake(&[("a/b.j2", "x\n  {{ nme }}\n")]),
        (
            "templates/a/b.j2:2:6: `nme` is undefined".to_owned(),
            Some("did you mean `name`?".to_owned())
        )
    );
    assert_eq!(
        file_mistake(&[("a", "{% if nope is defined %}{% endif %}{{ facts.os.nme }}")]).0,
        "templates/a:1:39: `facts.os.nme` is undefined"
    );
    assert_eq!(
        file_mistake(&[("a", "\n{% include 'b' %}"), ("b", "\n\n{{ nope }}")]).0,
        "templates/b:3:4: `nope` is undefined"
    );
    assert_eq!(
        file_mistake(&[("a", "1\n{% include 'prt.j2' %}"), ("part.j2", "")]),
        (
            "templates/a:2:12: `templates/prt.j2` does not exist".to_owned(),
            Some("did you mean `part.j2`?".to_owned())
        )
    );
    assert_eq!(
        file_mistake(&[("a", "1\n{% if %}")]).0,
        "templates/a:2:7: invalid template"
    );
    assert!(render_file(&[("a", "{{ [nope] }}")]).is_err());
    let in_data = render_file(&[("a", "{{ root }}")]).expect_err("a mistake");
    assert_eq!(in_data.to_string(), "group_data/all.toml:3:12: `bas` is undefined");
    assert_eq!(in_data.labels[1].origin.to_string(), "templates/a:1:4");
}

#[test]
fn a_value_that_is_not_known_stays_so_through_every_filter() {
    let unread = scope("a = ['x']\nlater = '{{ facts.name }}'", Err("not read yet".to_owned()));
    for filter in [
        "abs",
        "attr('a')",
        "b64decode",
        "b64encode",
        "batch(2) | list",
        "bool",
        "capitalize",
        "certificate_not_after",
        "count",
        "dictsort",
        "dotenv",
        "escape",
        "first",
        "float",
        "format('a')",
        "groupby('a')",
        "indent(2)",
        "int",
        "items",
        "join(',')",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map('upper') | list",
        "max",
        "min",
        "quote",
        "regex_replace('a', 'b')",
        "reject | list",
        "replace('a', 'b')",
        "reverse",
        "round",
        "select | list",
        "selectattr('a') | list",
        "slice(2) | list",
        "sort",
        "split(',')",
        "split(',') | first",
        "string",
        "sum",
        "systemd_words",
        "title",
        "to_json",
        "to_toml",
        "to_yaml",
        "tojson",
        "trim",
        "trim | upper | split('-') | last",
        "unique",
        "upper",
        "zip(a)",
    ] {
        for name in ["facts.name", "later"] {
            for template in [
                format!("{{{{ {name} | {filter} }}}}"),
                format!("a {{{{ {name} | {filter} }}}}"),
            ] {
                let rendered = render_in(&unread, &format!("\"{template}\""));
                let is_unknown = matches!(&rendered, Ok(Kind::Unknown(why)) if *why == "not read yet".into());
                assert!(is_unknown, "{template}: {rendered:?}");
            }
        }
    }
    // What is a mistake without it is one.
    for (template, said) in [
        ("{{ a | split(',') }}", "value is not a string"),
        ("{{ nope | split(',') }}", "value is not a string"),
    ] {
        let mistake = render_in(&unread, &format!("\"{template}\"")).expect_err(template);
        assert!(format!("{mistake:?}").contains(said), "{template}: {mistake:?}");
    }
}

#[test]
fn a_file_that_looks_at_an_unknown_fact_is_unknown() {
    let unread = scope("", Err("not read yet".to_owned()));
    let rendered = unread.render_file(&files(&[("a", "x {% if facts.os.id == 'debian' %}y{% endif %}")]), "a");
    assert_eq!(rendered, Ok(Err("not read yet".into())));
}

#[test]
fn a_string_includes_nothing() {
    let (message, _) = mistake("", "\"{% include 'hello' %}!\"");
    assert!(message.starts_with("tasks/t.toml:1:"), "{message}");
}

/// A host with odd answers.
struct Odd;

impl FactSource for Odd {
    fn system(&self) -> Result<minijinja::Value, String> {
        Ok(minijinja::context! { hostname => "", os => minijinja::context! { id => "", name => "x" } })
    }

    fn unreadable(&self, path: &str) -> Option<String> {
        ["hostname", "os.id"]
            .contains(&path)
            .then(|| "the host says \"$(id)\"".to_owned())
    }

    fn host(&self) -> String {
        "web".to_owned()
    }

    fn families(&self) -> Vec<&'static str> {
        vec!["packages", "users"]
    }

    fn named(&self, family: &str, name: &str) -> crate::template::NamedFact {
        use crate::template::{NamedFact, NoValue};
        match (family, name) {
            ("users", "anna") => NamedFact::present([
                ("home", Err(NoValue::Unreadable("the host says \"x\"".to_owned()))),
                ("comment", Ok("Anna".into())),
            ]),
            _ => NamedFact::Absent,
        }
    }
}

fn odd(value: &str) -> Result<Kind, Diagnostic> {
    render_in(&Bindings::new(TemplateData::new(Table::new(), Odd)), value)
}

#[test]
fn a_fact_that_is_none_is_a_mistake_where_it_is_used() {
    assert_eq!(odd("'{{ facts.os.name }}'").unwrap(), text("x"));
    assert_eq!(odd("'{{ facts.users.anna.comment }}'").unwrap(), text("Anna"));
    for (value, title) in [
        ("'{{ facts.hostname }}'", "cannot read `facts.hostname` of host `web`"),
        ("'a {{ facts.os.id }}'", "cannot read `facts.os.id` of host `web`"),
        (
            "'{{ facts.os[\"id\"] == \"a\" }}'",
            "cannot read `facts.os.id` of host `web`",
        ),
        (
            "'{{ facts.users.anna.home }}'",
            "cannot read `facts.users.anna.home` of host `web`",
        ),
    ] {
        let mistake = odd(value).expect_err(value);
        assert_eq!(mistake.title, title);
        assert!(mistake.causes[0].starts_with("the host says"), "{mistake:?}");
        assert!(mistake.origin().is_some(), "{mistake:?}");
    }
}

#[test]
fn an_attribute_of_what_is_absent_names_it_and_the_host() {
    for (value, title, label, hint) in [
        (
            "'{{ facts.packages.none_such.version }}'",
            "`facts.packages.none_such.version` is undefined",
            "package `none_such` is not installed on host `web`",
            "test it first: `facts.packages.none_such is not none`",
        ),
        (
            "'v {{ facts.packages[\"no-such\"].version }}'",
            "`facts.packages[\"no-such\"].version` is undefined",
            "package `no-such` is not installed on host `web`",
            "test it first: `facts.packages['no-such'] is not none`",
        ),
        (
            "'{{ facts.users.otto.uid == 3 }}'",
            "`facts.users.otto.uid` is undefined",
            "host `web` has no user `otto`",
            "test it first: `facts.users.otto is not none`",
        ),
    ] {
        let mistake = odd(value).expect_err(value);
        assert_eq!(mistake.title, title);
        assert_eq!(mistake.labels[0].text, label);
        assert_eq!(mistake.hint.as_deref(), Some(hint));
    }
    assert_eq!(odd("'{{ facts.users.otto is none }}'").unwrap(), Kind::Bool(true));
    assert_eq!(odd("'{{ \"otto\" in facts.users }}'").unwrap(), Kind::Bool(false));
}

#[test]
fn quoted_values_are_words_of_a_shell() {
    assert_eq!(render("a = 'x'", "'{{ a | quote }}'").unwrap(), text("x"));
    assert_eq!(render("a = '$(id)'", "'{{ a | quote }}'").unwrap(), text("'$(id)'"));
    assert_eq!(render("a = ''", "'{{ a | quote }}'").unwrap(), text("''"));
    assert_eq!(render("a = ['b c', 1]", "'{{ a | quote }}'").unwrap(), text("'b c' 1"));
    assert!(render("a = { b = 1 }", "'{{ a | quote }}'").is_err());
}

#[test]
fn signs_that_remove_white_space_are_not_part_of_a_lone_expression() {
    for value in ["'{{- n -}}'", "'{{- n }}'", "'{{ n -}}'", "'{{+ n }}'"] {
        assert_eq!(render("n = 3", value).unwrap(), Kind::Integer(3), "{value}");
    }
}
