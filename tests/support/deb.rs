//! Debian packages that are made without a Debian.

/// What `dpkg-deb` makes of a control file alone, without compression.
pub(crate) fn package(control: &str) -> Vec<u8> {
    let tar = |file: Option<&str>| {
        let mut builder = tar::Builder::new(Vec::new());
        if let Some(text) = file {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, "./control", text.as_bytes())
                .expect("in memory");
        }
        builder.into_inner().expect("in memory")
    };
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(Some(control))),
        ("data.tar", tar(None)),
    ] {
        let mut header = ar::Header::new(name.into(), bytes.len() as u64);
        header.set_mode(0o100_644);
        archive.append(&header, &bytes[..]).expect("in memory");
    }
    archive.into_inner().expect("in memory")
}
