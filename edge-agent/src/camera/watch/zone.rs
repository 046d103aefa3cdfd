//! Zones: what a part of a picture shows, who may be there when, and which places no camera may look into. Pure.

/// What a zone is. Its Chinese is in docs/GLOSSARY.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A room of its own for food that is not heated any more (专间).
    SpecialRoom,
    /// Where food is washed and cut.
    FoodPreparation,
    /// Where food is cooked.
    Cooking,
    /// Where food is put on plates and handed out.
    DishUp,
    /// Where dishes are washed and disinfected.
    DishWashing,
    /// Where food or goods are kept.
    Storage,
    /// Where bins stand.
    Waste,
    /// Where people work with machines or build.
    WorkArea,
    /// Where nobody may be.
    DangerZone,
    /// A way in or out.
    Entrance,
    /// A way of escape.
    EscapeRoute,
    /// Open ground of the site.
    Yard,
    /// Where customers are served.
    SalesFloor,
    /// Where fire alarms come in and two people are on duty (消防控制室).
    FireControlRoom,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 14] = [
        Kind::SpecialRoom,
        Kind::FoodPreparation,
        Kind::Cooking,
        Kind::DishUp,
        Kind::DishWashing,
        Kind::Storage,
        Kind::Waste,
        Kind::WorkArea,
        Kind::DangerZone,
        Kind::Entrance,
        Kind::EscapeRoute,
        Kind::Yard,
        Kind::SalesFloor,
        Kind::FireControlRoom,
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Kind::SpecialRoom => "special_room",
            Kind::FoodPreparation => "food_preparation",
            Kind::Cooking => "cooking",
            Kind::DishUp => "dish_up",
            Kind::DishWashing => "dish_washing",
            Kind::Storage => "storage",
            Kind::Waste => "waste",
            Kind::WorkArea => "work_area",
            Kind::DangerZone => "danger_zone",
            Kind::Entrance => "entrance",
            Kind::EscapeRoute => "escape_route",
            Kind::Yard => "yard",
            Kind::SalesFloor => "sales_floor",
            Kind::FireControlRoom => "fire_control_room",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// True where food is handled.
    pub fn is_of_food(self) -> bool {
        matches!(
            self,
            Kind::SpecialRoom
                | Kind::FoodPreparation
                | Kind::Cooking
                | Kind::DishUp
                | Kind::DishWashing
        )
    }
}

/// What is said of a place into which no camera may look.
pub const FORBIDDEN: &str = "no camera may look into guest rooms, private dining rooms, dormitories, staff rest rooms, toilets, bathrooms, changing, nursing or fitting rooms \
     (公共安全视频图像信息系统管理条例 Art. 8：客房、包间、宿舍、休息室、浴室、卫生间、更衣室、哺乳室、试衣间内部)";

/// Words that mean a forbidden place, each between others or alone; a `_` or `-` parts words as a blank does.
const WORDS: [&str; 42] = [
    "guest room",
    "guest rooms",
    "guestroom",
    "hotel room",
    "bedroom",
    "private dining",
    "private room",
    "dormitory",
    "dormitories",
    "dorm",
    "rest room",
    "restroom",
    "staff room",
    "break room",
    "breakroom",
    "rest area",
    "lounge",
    "toilet",
    "toilets",
    "wc",
    "lavatory",
    "washroom",
    "urinal",
    "latrine",
    "bathroom",
    "bath",
    "bathing",
    "bathhouse",
    "shower",
    "showers",
    "sauna",
    "changing room",
    "changing area",
    "change room",
    "locker room",
    "lockers",
    "dressing room",
    "nursing room",
    "lactation",
    "breastfeeding",
    "fitting room",
    "fitting rooms",
];

/// The same in Chinese, wherever they stand.
const CHINESE: [&str; 20] = [
    "客房",
    "包间",
    "包厢",
    "雅间",
    "宿舍",
    "休息室",
    "休息间",
    "卫生间",
    "洗手间",
    "厕所",
    "浴室",
    "淋浴",
    "澡堂",
    "更衣",
    "换衣",
    "哺乳",
    "母婴室",
    "试衣",
    "试装",
    "盥洗",
];

/// True if a text names a place into which no camera may look.
pub fn is_forbidden(text: &str) -> bool {
    let words = text.to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let spaced = format!(" {} ", words.join(" "));
    WORDS
        .iter()
        .any(|word| spaced.contains(&format!(" {word} ")))
        || CHINESE.iter().any(|word| text.contains(word))
}

/// Hours of the day, local time (+08:00), in minutes from midnight; over midnight where the end is not after the begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

/// A text that means no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stretch of the day such as \"06:00-23:00\"")]
pub struct NoHours(String);

impl std::str::FromStr for Hours {
    type Err = NoHours;

    fn from_str(text: &str) -> Result<Hours, NoHours> {
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let digits = |text: &str| {
                (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| text.parse::<u16>().ok())
                    .flatten()
            };
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            let all = hours * 60 + minutes;
            (minutes < 60 && all <= 24 * 60).then_some(all)
        };
        let parsed = text.split_once('-').and_then(|(from, to)| {
            let (from, to) = (minutes(from.trim())?, minutes(to.trim())?);
            (from != to && from < 24 * 60).then_some(Hours { from, to })
        });
        parsed.ok_or_else(|| NoHours(text.to_owned()))
    }
}

impl Hours {
    /// True if a time lies in it.
    pub fn contains(self, at: contract::Timestamp) -> bool {
        const DAY_MS: i64 = 86_400_000;
        const ZONE_MS: i64 = 8 * 3_600_000;
        let minute = (at.as_millis() + ZONE_MS).rem_euclid(DAY_MS) / 60_000;
        let minute = minute as u16;
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// Corners in their order, each as shares of width and height.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<[f32; 2]>);

/// Corners that make no polygon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPolygon {
    /// Too few or too many.
    #[error("{0} corners are not from 3 to 32")]
    Corners(usize),
    /// A corner outside the picture.
    #[error("corner {0} is not within the picture")]
    Outside(usize),
    /// Two edges meet.
    #[error("the edges after corner {0} and corner {1} cross or touch")]
    Crosses(usize, usize),
    /// A line.
    #[error("it holds less than a thousandth of the picture")]
    Small,
}

impl Polygon {
    /// Checks corners.
    pub fn new(corners: Vec<[f32; 2]>) -> Result<Polygon, NoPolygon> {
        let n = corners.len();
        if !(3..=32).contains(&n) {
            return Err(NoPolygon::Corners(n));
        }
        let is_in = |corner: &[f32; 2]| corner.iter().all(|x| (0.0..=1.0).contains(x));
        if let Some(at) = corners.iter().position(|corner| !is_in(corner)) {
            return Err(NoPolygon::Outside(at + 1));
        }
        let edge = |i: usize| (corners[i], corners[(i + 1) % n]);
        for i in 0..n {
            for j in i + 1..n {
                let are_neighbours = j == i + 1 || (i == 0 && j == n - 1);
                if !are_neighbours && meet(edge(i), edge(j)) {
                    return Err(NoPolygon::Crosses(i + 1, j + 1));
                }
            }
        }
        let polygon = Polygon(corners);
        if polygon.size() < 0.001 {
            return Err(NoPolygon::Small);
        }
        Ok(polygon)
    }

    /// Its corners.
    pub fn corners(&self) -> &[[f32; 2]] {
        &self.0
    }

    fn edges(&self) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().copied().zip(next.copied())
    }

    /// The share of the picture that is in it.
    fn size(&self) -> f32 {
        let twice: f32 = self.edges().map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
        twice.abs() / 2.0
    }

    /// True if a place is in it (even-odd rule).
    pub fn contains(&self, [x, y]: [f32; 2]) -> bool {
        let crossed = self.edges().filter(|([ax, ay], [bx, by])| {
            (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
        });
        crossed.count() % 2 == 1
    }
}

/// True if two stretches have a point in common.
fn meet((a, b): ([f32; 2], [f32; 2]), (c, d): ([f32; 2], [f32; 2])) -> bool {
    let side = |p: [f32; 2], q: [f32; 2], r: [f32; 2]| {
        (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    };
    let (abc, abd, cda, cdb) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    if abc * abd < 0.0 && cda * cdb < 0.0 {
        return true;
    }
    let between = |p: [f32; 2], q: [f32; 2], r: [f32; 2]| {
        (0..2).all(|i| p[i].min(q[i]) <= r[i] && r[i] <= p[i].max(q[i]))
    };
    (abc == 0.0 && between(a, b, c))
        || (abd == 0.0 && between(a, b, d))
        || (cda == 0.0 && between(c, d, a))
        || (cdb == 0.0 && between(c, d, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_place_is_known_by_its_names_and_an_allowed_one_is_not() {
        let forbidden = [
            "toilet",
            "Staff-Toilets",
            "guest_room",
            "private_dining_room",
            "dormitory",
            "staff_rest_room",
            "bathroom",
            "changing_room",
            "nursing_room",
            "fitting_room",
            "WC",
            "wc 2",
            "员工更衣室",
            "二楼包间",
            "卫生间",
            "restroom",
        ];
        for name in forbidden {
            assert!(is_forbidden(name), "{name}");
        }
        let allowed = Kind::ALL.map(Kind::name);
        let more = ["restaurant", "后厨", "冷菜专间", "pipe fitting"];
        for name in allowed.iter().chain(&more) {
            assert!(!is_forbidden(name), "{name}");
        }
    }

    #[test]
    fn hours_are_those_of_the_site_and_may_go_over_midnight() {
        let at = |text: &str| text.parse::<contract::Timestamp>().unwrap();
        let day: Hours = "06:00-23:00".parse().unwrap();
        let night: Hours = "22:30-02:00".parse().unwrap();
        assert!(
            day.contains(at("2026-11-27T22:00:00Z")),
            "06:00 at the site"
        );
        assert!(!day.contains(at("2026-11-28T05:59:59+08:00")));
        assert!(!day.contains(at("2026-11-28T23:00:00+08:00")));
        assert!(night.contains(at("2026-11-28T01:59:00+08:00")));
        assert!(!night.contains(at("2026-11-28T02:00:00+08:00")));
        let whole: Hours = "00:00-24:00".parse().unwrap();
        assert!(whole.contains(at("2026-11-28T23:59:59+08:00")));
        for bad in [
            "6-23",
            "06:00",
            "06:00-06:00",
            "06:60-07:00",
            "24:00-25:00",
            "06:00-24:01",
            "+6:00-07:00",
        ] {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_polygon_is_checked_and_knows_what_is_in_it() {
        let l = [
            [0.1, 0.1],
            [0.9, 0.1],
            [0.9, 0.5],
            [0.5, 0.5],
            [0.5, 0.9],
            [0.1, 0.9],
        ];
        let l = Polygon::new(l.to_vec()).unwrap();
        assert!(l.contains([0.3, 0.8]) && l.contains([0.8, 0.3]));
        assert!(!l.contains([0.7, 0.7]) && !l.contains([0.05, 0.5]));
        let refused = |corners: &[[f32; 2]]| Polygon::new(corners.to_vec()).unwrap_err();
        assert_eq!(refused(&[[0.0, 0.0], [1.0, 1.0]]), NoPolygon::Corners(2));
        assert_eq!(refused(&[[0.5, 0.5]; 33]), NoPolygon::Corners(33));
        assert_eq!(
            refused(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.1]]),
            NoPolygon::Outside(3)
        );
        let bow = [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]];
        assert_eq!(refused(&bow), NoPolygon::Crosses(1, 3));
        let line = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]];
        assert_eq!(refused(&line), NoPolygon::Small);
        assert!(matches!(
            refused(&[[0.1, f32::NAN], [0.5, 0.5], [0.9, 0.1]]),
            NoPolygon::Outside(1)
        ));
    }
}
