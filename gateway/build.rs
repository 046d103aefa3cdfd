//! A release build embeds the console's files; without this, a console built after the gateway would stay out of it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=console/dist");
    }
}
