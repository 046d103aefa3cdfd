//! What a camera may watch for, and that a site's cameras find it.

use crate::heard::write_config;
use edge_agent::{
    camera::watch::{class::Class, zone::Kind},
    config::{self, Config},
    source::Source,
};

const CAMERA: &str = "[[camera]]\nid = \"cam\"\nurl = \"http://h/\"\n";
const PUBLISHED: &str = "[camera.published]\npurpose = \"食品安全\"\nsign = \"signs/cam.jpg\"\nlocation = \"kitchen\"\non = \"2026-11-20\"\n";
const LOOK: &str = "[camera.look]\npersons = \"simulated-persons\"\nfaces = [\"simulated-persons\"]\nwatch = [\"fire_or_smoke\"]\n\
    [camera.look.mask]\nmodel = \"mask\"\nshadow = \"mask-2\"\n[camera.look.fire_smoke]\nmodel = \"fire-smoke\"\n";

fn zone(kind: &str, more: &str) -> String {
    format!(
        "[[camera.zone]]\nname = \"z\"\nkind = \"{kind}\"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]\n{more}"
    )
}

fn load(sources: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), 1, sources);
    config::load(&path).map_err(|problems| problems.to_string())
}

#[test]
fn a_camera_that_is_published_watches_zones_and_says_which_points_it_has() {
    let zone = zone(
        "special_room",
        "hours = [\"06:00-14:00\", \"16:00-23:30\"]\nwatch = [\"no_mask\", \"after_hours\"]\n",
    );
    let config = load(&format!("{CAMERA}{PUBLISHED}{LOOK}{zone}")).unwrap();
    let Source::Camera(camera) = &config.sources[0] else {
        panic!("{:?}", config.sources)
    };
    let watch = camera.watch.as_ref().unwrap();
    assert_eq!(
        (watch.zones[0].kind, &watch.zones[0].watch[..]),
        (Kind::SpecialRoom, &[Class::NoMask, Class::AfterHours][..])
    );
    assert_eq!(watch.from.to_string(), "2026-11-19T16:00:00.000Z");
    let mask = &watch.parts[0];
    assert_eq!(
        (mask.model.as_str(), mask.shadow.as_deref()),
        ("mask", Some("mask-2"))
    );
    assert_eq!(watch.face, None, "its detector of persons finds faces too");
    let points = camera.described().points;
    let points: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
    let expected = [
        "see.persons",
        "see.no_mask",
        "see.after_hours",
        "see.fire_or_smoke",
        "shadow.no_mask",
    ];
    assert_eq!(points[8..], expected);
    let alone = load(&format!("{CAMERA}{PUBLISHED}")).unwrap();
    assert_eq!(alone.devices()[0].points.len(), 8);
}

#[test]
fn an_unpublished_camera_gives_no_more_than_its_health() {
    for more in [LOOK.to_owned(), zone("waste", "")] {
        let text = load(&format!("{CAMERA}{more}")).unwrap_err();
        let says = text.contains("camera[1].published") && text.contains("个人信息保护法 Art. 26");
        assert!(says, "{text}");
    }
    let half = PUBLISHED
        .replace("sign", "signs")
        .replace("2026-11-20", "soon");
    let text = load(&format!("{CAMERA}{half}{LOOK}")).unwrap_err();
    for part in [
        "published.sign: it is missing",
        "published.signs",
        "\"soon\" is not a day",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn no_zone_of_a_forbidden_place_can_be_configured_by_any_word_or_key() {
    let forbidden = [
        "guest_room",
        "private_dining_room",
        "dormitory",
        "staff_rest_room",
        "toilet",
        "bathroom",
        "changing_room",
        "nursing_room",
        "fitting_room",
        "WC",
        "客房",
        "包间",
        "更衣室",
    ];
    for kind in forbidden {
        let text = load(&format!("{CAMERA}{PUBLISHED}{LOOK}{}", zone(kind, ""))).unwrap_err();
        let says = text.contains("zone[1].kind") && text.contains("条例 Art. 8");
        assert!(says, "{kind}: {text}");
        let named = zone("work_area", "").replace("\"z\"", &format!("\"staff {kind} 2\""));
        let text = load(&format!("{CAMERA}{PUBLISHED}{LOOK}{named}")).unwrap_err();
        assert!(
            text.contains("zone[1].name") && text.contains("条例 Art. 8"),
            "{text}"
        );
    }
    let camera = CAMERA.replace("\"cam\"", "\"toilet-1\"");
    let text = load(&format!("{camera}{PUBLISHED}{LOOK}")).unwrap_err();
    assert!(
        text.contains("camera[1].id") && text.contains("条例 Art. 8"),
        "{text}"
    );
    for smuggled in [
        zone("waste", "purpose = \"toilet\"\n"),
        zone("waste", "kinds = [\"toilet\"]\n"),
        "[[camera.zones]]\nname = \"z\"\nkind = \"toilet\"\n".to_owned(),
        "[[camera.look.zone]]\nname = \"z\"\nkind = \"toilet\"\n".to_owned(),
    ] {
        let text = load(&format!("{CAMERA}{PUBLISHED}{LOOK}{smuggled}")).unwrap_err();
        assert!(text.contains("is not known"), "{text}");
    }
}

#[test]
fn what_no_model_at_hand_can_tell_is_refused_in_words() {
    let cases = [
        (
            zone("special_room", "watch = [\"no_hat\"]\n"),
            "no_hat is unsupported by the shipped models; name a model of yours whose classes are hat and no_hat",
        ),
        (
            zone("waste", "watch = [\"smoking\"]\n"),
            "smoking is unsupported by the shipped models",
        ),
        (
            zone("work_area", "watch = [\"no_helmet\"]\n"),
            "nothing judges no_helmet; write [camera.look.helmet] model = \"helmet\"",
        ),
        (
            zone("special_room", "watch = [\"fire\"]\n"),
            "fire is told of the whole picture",
        ),
        (
            zone("work_area", "watch = [\"no_mask\"]\n"),
            "no rule asks for no_mask in a work_area",
        ),
        (
            zone("work_area", "watch = [\"understaffed\"]\n"),
            "no rule asks for understaffed in a work_area; leave it out; it belongs to fire_control_room",
        ),
        (
            zone("work_area", "watch = [\"face\"]\n"),
            "\"face\" cannot be watched for",
        ),
        (
            zone("work_area", "watch = [\"after_hours\"]\n"),
            "after_hours needs the hours",
        ),
        (
            zone("work_area", "hours = [\"6-7\"]\n"),
            "\"6-7\" is not a stretch of the day",
        ),
        (
            zone("kitchen", ""),
            "\"kitchen\" is not a kind of zone; write one of special_room",
        ),
        (
            zone("waste", "").replace("[0.5, 0.9]", "[0.5, 9]"),
            "corner 3 is not within the picture",
        ),
        (
            zone("waste", "").replace("[0.5, 0.9]", "0.5"),
            "it is not a list of pairs of numbers",
        ),
        (
            format!("{0}{0}", zone("waste", "")),
            "the zone \"z\" is there twice",
        ),
    ];
    for (zone, what) in cases {
        let text = load(&format!("{CAMERA}{PUBLISHED}{LOOK}{zone}")).unwrap_err();
        assert!(text.contains(what), "{what} in\n{text}");
    }
    let looks = [
        (
            LOOK.replace("fire_or_smoke", "smoke"),
            "the shipped model fire-smoke does not tell smoke; watch for fire_or_smoke, or name a model of yours",
        ),
        (
            LOOK.replace("fire_or_smoke", "rodent"),
            "rodent is unsupported by the shipped models",
        ),
        (
            format!("{LOOK}[camera.look.hat]\nmodel = \"helmet\"\n"),
            "the shipped model helmet does not tell hat",
        ),
        (
            LOOK.replace("\"mask-2\"", "\"mask\""),
            "it is the model itself",
        ),
        (
            LOOK.replace("model = \"mask\"", "model = \"../mask\""),
            "is not the name of a model",
        ),
        (
            format!("{LOOK}[camera.look.face]\nmodel = \"arcface\"\n"),
            "this key is not known",
        ),
    ];
    for (look, what) in looks {
        let text = load(&format!("{CAMERA}{PUBLISHED}{look}")).unwrap_err();
        assert!(text.contains(what), "{what} in\n{text}");
    }
    let own =
        LOOK.replace("fire_or_smoke", "rodent") + "[camera.look.rodent]\nmodel = \"my-rodents\"\n";
    load(&format!("{CAMERA}{PUBLISHED}{own}")).unwrap();
}
