//! `cargo xtask audit`
fn main() -> anyhow::Result<()> {
    tocco_bench::audit::interposer::preload()?;
    std::thread::spawn(|| {
        let mut w =
            tocco_bench::audit::watch::Watch::this_thread(std::env::args().count() > 1).unwrap();
        let c = tocco_bench::audit::control::run(&mut w).unwrap();
        println!("{} {:?}", c.planted, c.missed);
        for (n, f) in w.traces() {
            println!("{n}\n   {}", f[..f.len().min(9)].join("\n   "));
        }
    })
    .join()
    .unwrap();
    Ok(())
}
