use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;

use super::*;

const QUESTION: &str = "Password for sudo: ";

/// The result of `ask_on` for these keys, what a pseudo-terminal shows, and whether its settings are restored.
fn answered(keys: &str) -> (Option<String>, String, bool) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let user = File::from(user);
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let settings = || format!("{:?}", tcgetattr(&terminal).unwrap());
    let before = settings();
    let mut shown = String::new();
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask_on(&terminal, QUESTION).unwrap());
        let mut show_until = |end: &str| {
            while !shown.ends_with(end) {
                let mut chunk = [0; 256];
                let length = (&user).read(&mut chunk).unwrap();
                shown.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
            }
        };
        show_until(QUESTION);
        (&user).write_all(keys.as_bytes()).unwrap();
        show_until("\r\n");
        asking.join().unwrap()
    });
    (answer, shown, settings() == before)
}

#[test]
fn nothing_typed_is_shown_and_the_terminal_is_restored() {
    let asked = format!("{QUESTION}\r\n");
    for (keys, answer) in [
        ("right\r", Some("right")),
        ("wröng\u{15}ab\x7f\u{8}rö\x7fight\n", Some("right")),
        ("\r", Some("")),
        ("wrong\u{3}", None),
        ("wrong\u{4}", None),
    ] {
        let expected = (answer.map(str::to_owned), asked.clone(), true);
        let answered = answered(keys);
        assert_eq!(answered, expected, "{keys:?}");
    }
}

#[test]
fn no_terminal_is_left_silent_without_being_one() {
    let file = tempfile::tempfile().unwrap();
    assert!(ask_on(&file, QUESTION).is_err());
}

#[test]
fn what_nobody_can_type_is_no_password() {
    assert!(check("").is_err());
    assert!(check("two\nlines").is_err());
    assert_eq!(check("it's right").unwrap().expose(), "it's right");
}
