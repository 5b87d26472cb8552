use super::*;

#[test]
fn each_file_is_given_once_and_links_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| DocumentPath::parse(&folder.path().join(name).to_string_lossy()).expect("a format");
    let refusal = |names: &[&str]| {
        let paths: Vec<DocumentPath> = names.iter().map(|name| path(name)).collect();
        Documents::create(&paths).map(|_| ()).map_err(|mistake| mistake.title)
    };
    assert_eq!(refusal(&["a.md", "a.json"]), Ok(()));
    let title = format!(
        "duplicate `--format-into {}`",
        folder.path().canonicalize().expect("exists").join("a.md").display()
    );
    assert_eq!(refusal(&["a.md", "./a.md"]), Err(title.clone()));
    std::fs::write(folder.path().join("a.md"), "old").expect("write");
    std::os::unix::fs::symlink("a.md", folder.path().join("link.md")).expect("a link");
    assert_eq!(refusal(&["a.md", "link.md"]), Err(title));
    std::os::unix::fs::symlink("nowhere.md", folder.path().join("dangling.md")).expect("a link");
    assert!(refusal(&["dangling.md"]).is_err());
    assert!(refusal(&["no/folder.md"]).is_err());
}

#[test]
fn the_ending_gives_the_format() {
    let format = |text: &str| DocumentPath::parse(text).map(|path| path.format);
    assert_eq!(format("plan.md"), Ok(DocumentFormat::Markdown));
    assert_eq!(format("a.b/plan.HTML"), Ok(DocumentFormat::Html));
    assert_eq!(format("plan.json"), Ok(DocumentFormat::Json));
    assert!(format("plan").is_err() && format("plan.yaml").is_err());
}
