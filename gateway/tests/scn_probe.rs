#[test]
fn probe() {
    for entry in std::fs::read_dir("/tmp/scn").unwrap() {
        let path = entry.unwrap().path();
        match gateway::config::check(&path) {
            Err(problems) => for p in problems { println!("{}: {} {}:{}", path.display(), p.message, p.line, p.column) },
            Ok(report) if !report.ok() => println!("{}\n{report}", path.display()),
            Ok(_) => {}
        }
    }
}
