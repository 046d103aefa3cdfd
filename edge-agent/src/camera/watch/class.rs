//! What can be watched for: the fixed list of classes, who judges each, and how much it takes until it counts. Pure.
//!
//! Where the numbers come from: domain.md 4.3 (V-01 … V-09) and 4.6 (S-12 … S-14, S-18), design proposals and no law. A class that
//! no shipped model carries is in the list, but needs a model of the user's own.

use super::zone::Kind;

/// Something that is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person's mouth and nose are bare.
    NoMask,
    /// A person wears no hat.
    NoHat,
    /// A person wears no hard hat.
    NoHelmet,
    /// A person wears no reflective vest.
    NoVest,
    /// A person smokes.
    Smoking,
    /// A person is where nobody may be.
    InDangerZone,
    /// A person is there outside the allowed hours.
    AfterHours,
    /// Something burns.
    Fire,
    /// Smoke rises.
    Smoke,
    /// Something burns or smokes; which of both the model does not tell.
    FireOrSmoke,
    /// A rodent.
    Rodent,
    /// A bin without its lid.
    UncoveredBin,
    /// A flame, and nobody there.
    UnattendedFlame,
    /// Fewer persons in the zone than must be on duty there: two.
    Understaffed,
}

/// A table of `[camera.look]` that names the model for some classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Of persons.
    Mask,
    /// Of persons.
    Hat,
    /// Of persons.
    Helmet,
    /// Of persons.
    Vest,
    /// Of persons.
    Smoking,
    /// Of the whole picture.
    FireSmoke,
    /// Of the whole picture.
    Rodent,
    /// Of the whole picture.
    Bin,
    /// Of the whole picture.
    Flame,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 9] = [
        Part::Mask,
        Part::Hat,
        Part::Helmet,
        Part::Vest,
        Part::Smoking,
        Part::FireSmoke,
        Part::Rodent,
        Part::Bin,
        Part::Flame,
    ];

    /// Its key in `[camera.look]`.
    pub fn key(self) -> &'static str {
        match self {
            Part::Mask => "mask",
            Part::Hat => "hat",
            Part::Helmet => "helmet",
            Part::Vest => "vest",
            Part::Smoking => "smoking",
            Part::FireSmoke => "fire_smoke",
            Part::Rodent => "rodent",
            Part::Bin => "bin",
            Part::Flame => "flame",
        }
    }

    /// True if its model is shown each person, false if it is shown the whole picture.
    pub fn is_of_persons(self) -> bool {
        matches!(
            self,
            Part::Mask | Part::Hat | Part::Helmet | Part::Vest | Part::Smoking
        )
    }

    /// The shipped model for it and the classes that it tells; nothing where none is shipped.
    pub fn shipped(self) -> Option<(&'static str, &'static [Class])> {
        match self {
            Part::Mask => Some(("mask", &[Class::NoMask])),
            Part::Helmet => Some(("helmet", &[Class::NoHelmet])),
            Part::Vest => Some(("vest", &[Class::NoVest])),
            Part::FireSmoke => Some(("fire-smoke", &[Class::FireOrSmoke])),
            _ => None,
        }
    }

    /// The classes that a model of one's own must have.
    pub fn own_classes(self) -> &'static str {
        match self {
            Part::Mask => "mask and no_mask",
            Part::Hat => "hat and no_hat",
            Part::Helmet => "helmet and no_helmet",
            Part::Vest => "vest and no_vest",
            Part::Smoking => "smoking and not_smoking",
            Part::FireSmoke => "fire, smoke and normal",
            Part::Rodent => "rodent and no_rodent",
            Part::Bin => "uncovered_bin and covered_bin",
            Part::Flame => "flame and no_flame",
        }
    }
}

/// How much it takes until a class counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wants {
    /// Milliseconds from the first frame that counts to the one in which it is raised, at least.
    pub dwell_ms: u64,
    /// The share of the judged frames that must speak for it.
    pub share: f32,
    /// How sure a model must be of what it says; less is not judged.
    pub sure: f32,
    /// Frames that must have been judged, at least.
    pub judged: u32,
}

impl Wants {
    /// It has ended so long after it was so last: twice the dwell (domain.md 4.0), but at most 20 s, since a point says what is now.
    pub fn rest_ms(&self) -> u64 {
        (2 * self.dwell_ms).clamp(5_000, 20_000)
    }
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 14] = [
        Class::NoMask,
        Class::NoHat,
        Class::NoHelmet,
        Class::NoVest,
        Class::Smoking,
        Class::InDangerZone,
        Class::AfterHours,
        Class::Fire,
        Class::Smoke,
        Class::FireOrSmoke,
        Class::Rodent,
        Class::UncoveredBin,
        Class::UnattendedFlame,
        Class::Understaffed,
    ];

    /// Its name in `watch` and in points.
    pub fn name(self) -> &'static str {
        match self {
            Class::NoMask => "no_mask",
            Class::NoHat => "no_hat",
            Class::NoHelmet => "no_helmet",
            Class::NoVest => "no_vest",
            Class::Smoking => "smoking",
            Class::InDangerZone => "in_danger_zone",
            Class::AfterHours => "after_hours",
            Class::Fire => "fire",
            Class::Smoke => "smoke",
            Class::FireOrSmoke => "fire_or_smoke",
            Class::Rodent => "rodent",
            Class::UncoveredBin => "uncovered_bin",
            Class::UnattendedFlame => "unattended_flame",
            Class::Understaffed => "understaffed",
        }
    }

    /// The class of that name.
    pub fn named(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whose model says it; nothing where the place of a person alone does.
    pub fn part(self) -> Option<Part> {
        Some(match self {
            Class::NoMask => Part::Mask,
            Class::NoHat => Part::Hat,
            Class::NoHelmet => Part::Helmet,
            Class::NoVest => Part::Vest,
            Class::Smoking => Part::Smoking,
            Class::InDangerZone | Class::AfterHours | Class::Understaffed => return None,
            Class::Fire | Class::Smoke | Class::FireOrSmoke => Part::FireSmoke,
            Class::Rodent => Part::Rodent,
            Class::UncoveredBin => Part::Bin,
            Class::UnattendedFlame => Part::Flame,
        })
    }

    /// Fewer persons than this in the zone, and it is so; nothing for a class that is not told of a zone as a whole.
    pub fn persons_min(self) -> Option<usize> {
        (self == Class::Understaffed).then_some(2)
    }

    /// True if it is told of a zone and who is in it, false if of the whole picture.
    pub fn is_of_persons(self) -> bool {
        self.part().is_none_or(Part::is_of_persons)
    }

    /// The class of the model's manifest that speaks for it.
    pub fn said_as(self) -> &'static str {
        match self {
            Class::UnattendedFlame => "flame",
            class => class.name(),
        }
    }

    /// True where a rule asks for it: a mask is no duty at a machine, a hard hat none at a stove.
    pub fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Class::NoMask | Class::NoHat => kind.is_of_food(),
            Class::NoHelmet | Class::NoVest => !kind.is_of_food(),
            Class::InDangerZone => kind == Kind::DangerZone,
            Class::Understaffed => kind == Kind::FireControlRoom,
            _ => true,
        }
    }

    /// How much it takes.
    pub fn wants(self) -> Wants {
        let (dwell_s, sure, judged) = match self {
            // V-01, V-02, S-12: at least 3 s, 70 % of the frames, as sure as 0.6.
            Class::NoMask | Class::NoHat | Class::NoHelmet | Class::NoVest => (3, 0.6, 5),
            // V-04, S-13: at least 2 s.
            Class::Smoking | Class::InDangerZone => (2, 0.6, 5),
            // V-09: at least 10 s.
            Class::AfterHours => (10, 0.6, 5),
            // S-14: at least 5 s.
            Class::Fire | Class::Smoke | Class::FireOrSmoke => (5, 0.6, 5),
            // V-06: at least 5 frames, as sure as 0.5.
            Class::Rodent => (1, 0.5, 5),
            // V-07: at least 10 min.
            Class::UncoveredBin => (600, 0.6, 60),
            // V-08: at least 3 min.
            Class::UnattendedFlame => (180, 0.6, 30),
            // S-18: at least 5 min.
            Class::Understaffed => (300, 0.6, 60),
        };
        Wants {
            dwell_ms: dwell_s * 1_000,
            share: 0.7,
            sure,
            judged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_class_and_what_is_shipped_is_told_by_its_own_part() {
        for class in Class::ALL {
            assert_eq!(Class::named(class.name()), Some(class));
            assert!(contract::PointName::new(format!("see.{}", class.name())).is_ok());
        }
        for part in Part::ALL {
            for class in part.shipped().map_or(&[][..], |(_, classes)| classes) {
                assert_eq!(class.part(), Some(part));
            }
        }
        assert_eq!(Class::named("face"), None);
    }
}
