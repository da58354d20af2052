//! However the manifests are put on disk: what is whole is taken, what is not changes nothing, and it is told.

use std::fs::{File, create_dir, remove_file, rename, write};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mock_providers::MockProvider;

use crate::reload::reserved;
use crate::support::{Running, chat, get, pool, provider, raw, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
/// Longer than the slow look at the files.
const A_LOOK: Duration = Duration::from_millis(1500);

/// Writes manifests below a folder; the path that a gateway is given.
type Layout = fn(&Path, &str) -> PathBuf;

/// A gateway on a folder or file that is laid out first.
struct Disk {
    root: PathBuf,
    running: Running,
    /// Manifests whose model has this number.
    text: Box<dyn Fn(u32) -> String + Send>,
    _folder: tempfile::TempDir,
    _mock: MockProvider,
}

async fn disk(lay_out: impl FnOnce(&Path, &str) -> PathBuf) -> Disk {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let base = pool(&[&mock], "");
    let text = move |n| base.replace("model: m-1", &format!("model: m-{n}"));
    let folder = tempfile::tempdir().unwrap();
    let config = lay_out(folder.path(), &text(1));
    let running = start_with("", |options| options.config = config);
    Disk { root: folder.path().to_owned(), running, text: Box::new(text), _folder: folder, _mock: mock }
}

impl Disk {
    /// The next word about a reload is this, and this model is served then.
    fn expect(&self, said: &str, model: u32) {
        let notice = self.running.notice("reload");
        assert!(notice.starts_with(said), "{notice}");
        self.serves(model);
    }

    fn serves(&self, model: u32) {
        let answer = chat(self.running.address(), ASK);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["model"], format!("m-{model}"));
    }
}

fn one_file(folder: &Path, text: &str) -> PathBuf {
    write(folder.join("all.yaml"), text).unwrap();
    folder.join("all.yaml")
}

fn in_a_folder(folder: &Path, text: &str) -> PathBuf {
    one_file(folder, text);
    folder.to_owned()
}

/// As Kubernetes mounts volumes: files are links through `..data`, which is a link to a folder of this version.
fn mounted(folder: &Path, text: &str) -> PathBuf {
    version(folder, "..1", text);
    symlink("..1", folder.join("..data")).unwrap();
    symlink("..data/all.yaml", folder.join("all.yaml")).unwrap();
    folder.to_owned()
}

fn version(folder: &Path, name: &str, text: &str) {
    create_dir(folder.join(name)).unwrap();
    write(folder.join(name).join("all.yaml"), text).unwrap();
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_file_is_not_taken_for_the_whole_though_it_is_good_yaml() {
    for lay_out in [one_file, in_a_folder] {
        let disk = disk(lay_out).await;
        blocking(move || {
            let text = (disk.text)(2);
            let (gateway, rest) = text.split_at(text.find("---").unwrap());
            let mut file = File::create(disk.root.join("all.yaml")).unwrap();
            file.write_all(gateway.as_bytes()).unwrap();
            assert_eq!(disk.running.silence("reload", A_LOOK), None);
            disk.serves(1);
            file.write_all(rest.as_bytes()).unwrap();
            drop(file);
            disk.expect("reloaded generation=2", 2);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_told_by_log_metrics_and_page_until_it_can() {
    let disk = disk(in_a_folder).await;
    blocking(move || {
        let metrics = disk.running.notice("metrics address=").replace("metrics address=", "").parse().unwrap();
        let told = move |path: &str| raw(metrics, &get(path, "")).text();
        let (file, whole) = (disk.root.join("all.yaml"), (disk.text)(2));
        assert!(told("/metrics").contains("\nagentgateway_config_synchronized 1\n"));
        let half = &whole[..whole.find("backendRefs").unwrap() + 14];
        for (bad, why) in [(half, "all.yaml"), ("", "is empty"), ("kind: Gatway\n", "unknown kind `Gatway`")] {
            write(&file, bad).unwrap();
            disk.expect("reload refused", 1);
            assert!(told("/metrics").contains("\nagentgateway_config_synchronized 0\n"));
            let page: serde_json::Value = serde_json::from_str(&told("/config")).unwrap();
            assert!(page["refusal"].as_str().unwrap().contains(why) && page["generation"] == 1, "{page}");
        }
        write(&file, &whole).unwrap();
        disk.expect("reloaded generation=2", 2);
        let metrics = told("/metrics");
        assert!(metrics.contains("\nagentgateway_config_synchronized 1\n"), "{metrics}");
        assert!(metrics.contains("\nagentgateway_config_reloads_total{result=\"refused\"} 3\n"), "{metrics}");
        assert_eq!(told("/config"), "{\"generation\":2,\"taken\":1,\"refused\":3,\"refusal\":null}\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_volume_is_followed_through_its_links() {
    let only_file = |folder: &Path, text: &str| mounted(folder, text).join("all.yaml");
    let layouts: [Layout; 2] = [mounted, only_file];
    for lay_out in layouts {
        let disk = disk(lay_out).await;
        blocking(move || {
            for n in 2..5 {
                version(&disk.root, &format!("..{n}"), &(disk.text)(n));
                symlink(format!("..{n}"), disk.root.join("..data_tmp")).unwrap();
                rename(disk.root.join("..data_tmp"), disk.root.join("..data")).unwrap();
                std::fs::remove_dir_all(disk.root.join(format!("..{}", n - 1))).unwrap();
                disk.expect(&format!("reloaded generation={n}"), n);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn editors_save_in_their_own_ways() {
    for lay_out in [one_file, in_a_folder] {
        let disk = disk(lay_out).await;
        blocking(move || {
            let (file, other) = (disk.root.join("all.yaml"), disk.root.join("all.yaml~"));
            write(&other, (disk.text)(2)).unwrap();
            rename(&other, &file).unwrap();
            disk.expect("reloaded generation=2", 2);
            // the old one is put aside first
            rename(&file, &other).unwrap();
            write(&file, (disk.text)(3)).unwrap();
            disk.expect("reloaded generation=3", 3);
            remove_file(&file).unwrap();
            write(&file, (disk.text)(4)).unwrap();
            disk.expect("reloaded generation=4", 4);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_takes_its_objects_along_but_the_last_one_does_not() {
    let disk = disk(in_a_folder).await;
    blocking(move || {
        let (text, file, route) = ((disk.text)(1), disk.root.join("all.yaml"), disk.root.join("route.yaml"));
        let documents: Vec<_> = text.split("---").collect();
        write(&route, documents[1]).unwrap();
        disk.expect("reload refused: error: HTTPRoute `default/pool` is given twice", 1);
        write(&file, [documents[0], documents[2]].join("---")).unwrap();
        disk.expect("reloaded generation=2", 1);
        remove_file(&route).unwrap();
        assert!(disk.running.notice("reload").starts_with("reloaded generation=3"));
        assert_eq!(chat(disk.running.address(), ASK).status, 404);
        write(&route, documents[1]).unwrap();
        disk.expect("reloaded generation=4", 1);
        write(disk.root.join("notes.txt"), "").unwrap();
        remove_file(&file).unwrap();
        remove_file(&route).unwrap();
        // the file that was deleted last may have been seen first
        while !disk.running.notice("reload").contains("has no manifests") {}
        write(&file, (disk.text)(5)).unwrap();
        while !disk.running.notice("reload").starts_with("reloaded") {}
        disk.serves(5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_replaced_as_a_whole_is_followed_on() {
    let renamed = |root: &Path, text: &str| {
        version(root, "now", text);
        root.join("now")
    };
    let linked = |root: &Path, text: &str| {
        version(root, "v1", text);
        symlink("v1", root.join("now")).unwrap();
        root.join("now")
    };
    let layouts: [(Layout, bool); 2] = [(renamed, false), (linked, true)];
    for (lay_out, by_link) in layouts {
        let disk = disk(lay_out).await;
        blocking(move || {
            let now = disk.root.join("now");
            version(&disk.root, "v2", &(disk.text)(2));
            if by_link {
                symlink("v2", disk.root.join("next")).unwrap();
                rename(disk.root.join("next"), &now).unwrap();
            } else {
                rename(&now, disk.root.join("before")).unwrap();
                rename(disk.root.join("v2"), &now).unwrap();
            }
            while disk.running.notice("reload") != "reloaded generation=2" {}
            for n in 3..6 {
                write(now.join("all.yaml"), (disk.text)(n)).unwrap();
                disk.expect(&format!("reloaded generation={n}"), n);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_somebody_else_has_is_waited_for() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let base = pool(&[&mock], "");
    let more = base.replace("protocol: HTTP}]", "protocol: HTTP}, {name: more, port: 8081, protocol: HTTP}]");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let running = start_with(&base, |options| options.listen[1].1 = address);
    blocking(move || {
        let said = running.apply(&more.replace("model: m-1", "model: m-2"));
        assert!(said.starts_with("reload refused: cannot listen on") && said.contains("8081"), "{said}");
        assert_eq!(chat(running.address(), ASK).json()["model"], "m-1", "nothing of it is taken");
        drop(taken);
        assert_eq!(running.notice("reload"), "reloaded generation=2", "and nothing else was said");
        assert_eq!(chat(address, ASK).json()["model"], "m-2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_can_be_closed_and_opened_again_as_often_as_one_likes() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let less = pool(&[&mock], "");
    let more = less.replace("protocol: HTTP}]", "protocol: HTTP}, {name: more, port: 8081, protocol: HTTP}]");
    let (_reserved, address) = reserved();
    let running = start_with(&less, |options| options.listen[1].1 = address);
    blocking(move || {
        for _ in 0..20 {
            assert!(running.apply(&more).starts_with("reloaded"));
            assert_eq!(chat(address, ASK).status, 200);
            let mut kept = std::net::TcpStream::connect(address).unwrap();
            kept.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            kept.write_all(&get("/nothing", "")).unwrap();
            assert_eq!(crate::support::read(&mut kept).status, 404);
            assert!(running.apply(&less).starts_with("reloaded"));
            assert!(std::net::TcpStream::connect(address).is_err(), "closed once it is said to be taken");
            assert_eq!(std::io::Read::read(&mut kept, &mut [0]).unwrap(), 0, "who has nothing in flight is let go");
        }
    })
    .await;
}
