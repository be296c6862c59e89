//! The camera's health, with the thresholds of the pack, over real clips and what may happen to them.

use std::sync::OnceLock;

use dothi_vision::health::{Keep, Look, Policy, State, View, Watch, look, look_outside};
use dothi_vision::{Frame, Polygon};
use proptest::prelude::*;

use crate::rig::{at, blurred, clips, decoded, drawn, shifted, toned};

fn policy() -> Policy {
    #[derive(serde::Deserialize)]
    struct File {
        health: Policy,
    }
    let file: File = toml::from_str(include_str!("../../../../packs/cameras/video/health.toml")).unwrap();
    file.health.check().unwrap();
    file.health
}

/// Seconds between looks in these tests, as when every camera has its turn.
const STEP: f64 = 20.0;

/// Frames of the clips, two seconds apart.
fn sampled() -> Option<&'static [Vec<&'static Frame>; 2]> {
    static FRAMES: OnceLock<Option<[Vec<&'static Frame>; 2]>> = OnceLock::new();
    let all = || {
        let (clips, frames) = clips().zip(decoded())?;
        let every = |i: usize| frames[i].iter().step_by((clips[i].fps * 2.0) as usize).collect();
        Some([every(0), every(1)])
    };
    FRAMES.get_or_init(all).as_ref()
}

fn looks(frames: &[&Frame], change: impl Fn(&Frame) -> Frame) -> Vec<Look> {
    frames.iter().map(|f| look(&change(f)).unwrap()).collect()
}

/// A clip shown over and over to one watch.
struct Show {
    watch: Watch,
    now: f64,
}

impl Show {
    /// One that has learnt its view.
    fn of(clip: &[Look]) -> Self {
        let mut show = Self { watch: Watch::new(policy()), now: 0.0 };
        assert!(show.run(clip, 600.0).iter().all(|s| *s == State::Fine));
        assert_eq!(show.watch.views().len(), 1);
        show
    }
    /// The states over so many seconds.
    fn run(&mut self, clip: &[Look], seconds: f64) -> Vec<State> {
        let steps = (seconds / STEP) as usize;
        clip.iter()
            .cycle()
            .take(steps)
            .map(|l| {
                self.now += STEP;
                self.watch.see(at(self.now), l)
            })
            .collect()
    }
    /// Seconds until a state is reached.
    fn until(&mut self, clip: &[Look], state: State) -> f64 {
        let begun = self.now;
        for l in clip.iter().cycle().take(1000) {
            self.now += STEP;
            if self.watch.see(at(self.now), l) == state {
                return self.now - begun;
            }
        }
        panic!("{state:?} is never said; it stays {:?}, alike {:?}", self.watch.state(), self.watch.alike());
    }
}

#[test]
fn real_cameras_raise_no_false_alarm() {
    let Some(clips) = sampled() else { return };
    for (name, frames) in ["cars", "people"].into_iter().zip(clips) {
        let clip = looks(frames, Frame::clone);
        let mut show = Show::of(&clip);
        let mut least = 1.0f32;
        // A day of looks.
        for _ in 0..24 {
            assert!(show.run(&clip, 3600.0).iter().all(|s| *s == State::Fine), "{name}");
            least = least.min(show.watch.alike().unwrap());
        }
        let sharp = clip.iter().map(|l| l.sharp).fold(f32::INFINITY, f32::min);
        let changed: Vec<f32> = clip.windows(2).map(|w| w[0].changed(&w[1], policy().frozen_noise)).collect();
        let mut sorted = changed.clone();
        sorted.sort_by(f32::total_cmp);
        println!(
            "{name}: alike at least {least:.2}, sharp at least {sharp:.3}, changed points: least {:.4}, median {:.4}",
            sorted[0],
            sorted[sorted.len() / 2]
        );
    }
}

#[test]
fn each_fault_is_told_in_its_time_and_ends() {
    let Some(clips) = sampled() else { return };
    let policy = policy();
    for (name, frames) in ["cars", "people"].into_iter().zip(clips) {
        let clip = looks(frames, Frame::clone);
        let still: Vec<Look> = looks(&frames[3..4], Frame::clone);
        let faults = [
            (State::Dark, looks(frames, |f| toned(f, |v| v * 0.08)), policy.dark_after_s),
            (State::Bright, looks(frames, |f| toned(f, |v| 225.0 + v * 0.12)), policy.bright_after_s),
            (State::Frozen, still, policy.frozen_after_s),
            (State::Blurred, looks(frames, |f| blurred(f, 6)), policy.blurred_after_s),
            (State::Moved, looks(frames, |f| shifted(f, 0.15)), policy.moved_after_s),
            (State::Moved, looks(frames, |f| shifted(f, -0.15)), policy.moved_after_s),
        ];
        for (state, faulty, after) in faults {
            let mut show = Show::of(&clip);
            let took = show.until(&faulty, state);
            println!("{name}: {state:?} after {took} s (alike {:?})", show.watch.alike());
            // A clip may have stood still for a look or two before it froze.
            let before = if state == State::Frozen { 2.0 * STEP } else { 0.0 };
            assert!(took >= f64::from(after) - before, "{name}: {state:?} was told too soon");
            assert!(took <= f64::from(after + 3 * policy.average_s) + STEP, "{name}: {state:?} took {took} s");
            assert!(show.run(&faulty, 1800.0).iter().all(|s| *s == state), "{name}: {state:?} holds on");
            let back = show.until(&clip, State::Fine);
            assert!(back <= f64::from(policy.fine_after_s + 3 * policy.average_s), "{name}: {state:?} ended after {back} s");
        }
    }
}

#[test]
fn daylight_night_rain_clocks_and_lorries_are_no_fault() {
    let Some(clips) = sampled() else { return };
    for (name, frames) in ["cars", "people"].into_iter().zip(clips) {
        let clip = looks(frames, Frame::clone);
        let lorry = |f: &Frame| {
            let mut f = f.clone();
            f.mask(&[Polygon(vec![(0.3, 0.35), (0.75, 0.35), (0.75, 0.95), (0.3, 0.95)])]);
            f
        };
        // A quarter of the light, with the noise that an amplifier adds.
        let dusk = |f: &Frame| {
            let mut f = toned(f, |v| 8.0 + v * 0.3);
            let mut seed = 1u32;
            for v in &mut f.rgb {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *v = v.saturating_add((seed >> 29) as u8);
            }
            f
        };
        for (what, changed, seconds) in [
            ("dusk", looks(frames, dusk), 1800.0),
            ("glare", looks(frames, |f| toned(f, |v| 70.0 + v * 0.72)), 1800.0),
            ("contrast", looks(frames, |f| toned(f, |v| (v - 100.0) * 1.6 + 100.0)), 1800.0),
            ("infrared", looks(frames, |f| toned(f, |v| 255.0 - v * 0.8)), 1800.0),
            ("a lorry for two minutes", looks(frames, lorry), 120.0),
        ] {
            let mut show = Show::of(&clip);
            let states = show.run(&changed, seconds);
            println!("{name}, {what}: alike {:.2}", show.watch.alike().unwrap_or(1.0));
            assert!(states.iter().all(|s| *s == State::Fine), "{name}: {what} is {:?}", states.iter().find(|s| **s != State::Fine));
        }
        // The light goes from day to dusk and back within an hour.
        let mut show = Show::of(&clip);
        for minute in 0..60 {
            let part = (minute as f32 - 30.0).abs() / 30.0;
            let frame = toned(frames[minute % frames.len()], |v| v * (0.35 + 0.65 * part) + 10.0);
            let live = look(&frame).unwrap();
            let other = look(frames[(minute + 1) % frames.len()]).unwrap();
            assert!(show.run(&[live, other], 60.0).iter().all(|s| *s == State::Fine), "{name}: minute {minute}");
        }
    }
}

#[test]
fn a_frozen_picture_with_a_running_clock_is_frozen() {
    let Some(clips) = sampled() else { return };
    let frame = clips[0][0];
    let clock = |second: u32| {
        let mut f = frame.clone();
        for y in 20..36 {
            for x in 600..740 {
                let k = (y * 768 + x) * 3;
                f.rgb[k..k + 3].fill(if (x as u32 / 9 + y as u32 / 5 + second * 7).is_multiple_of(3) { 255 } else { 30 });
            }
        }
        look(&f).unwrap()
    };
    let mut watch = Watch::new(policy());
    let states: Vec<State> = (0..400).map(|i| watch.see(at(f64::from(i)), &clock(i))).collect();
    assert_eq!(states[399], State::Frozen);
    // A larger one is left out by its place.
    let area = [Polygon(vec![(0.75, 0.0), (1.0, 0.0), (1.0, 0.1), (0.75, 0.1)])];
    let whole = look_outside(frame, &area).unwrap();
    let mut covered = frame.clone();
    covered.mask(&[Polygon(vec![(0.76, 0.01), (0.99, 0.01), (0.99, 0.08), (0.76, 0.08)])]);
    assert_eq!(look_outside(&covered, &area).unwrap(), whole, "what is left out does not count");
}

#[test]
fn a_person_confirms_a_new_view_and_it_is_remembered() {
    let Some(clips) = sampled() else { return };
    let (day, turned) = (looks(&clips[1], Frame::clone), looks(&clips[1], |f| shifted(f, 0.3)));
    let mut show = Show::of(&day);
    show.until(&turned, State::Moved);
    // What is kept with the camera outlives a restart: a moved view is not learnt as right.
    let kept = serde_json::to_string(show.watch.views()).unwrap();
    assert!(kept.len() < 8_000, "{}", kept.len());
    let views: Vec<View> = serde_json::from_str(&kept).unwrap();
    show.watch = Watch::with_views(policy(), views);
    show.until(&turned, State::Moved);
    show.watch.confirm(Keep::Beside).unwrap();
    assert_eq!((show.watch.state(), show.watch.views().len()), (State::Fine, 2));
    assert!(show.run(&turned, 900.0).iter().chain(&show.run(&day, 900.0)).all(|s| *s == State::Fine), "both presets hold");
    show.watch.confirm(Keep::Instead).unwrap();
    assert_eq!(show.watch.views().len(), 1);
    show.until(&turned, State::Moved);
    assert!(Watch::new(policy()).confirm(Keep::Instead).is_err(), "nothing seen yet");
    for bad in [r#"{"grid":[64,36],"edges":"AAAA","sharp":1.0}"#, r#"{"grid":[6,3],"edges":"","sharp":1.0}"#] {
        assert!(serde_json::from_str::<View>(bad).is_err());
    }
}

/// Stripes and noise of a seed.
fn scene(seed: u8, tone: u8) -> Look {
    let value = move |x: u32, y: u32| {
        let n = (x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ u32::from(seed).wrapping_mul(83_492_791)) >> 7;
        (f32::from(tone) * (0.5 + 0.5 * ((x / 16 * 7 + y / 12 * 3 + u32::from(seed)) % 5) as f32 / 4.0) + (n % 8) as f32) as u8
    };
    look(&drawn(256, 144, |x, y| [value(x, y); 3])).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is seen, and however time runs: a fault is never told before its time, and nothing breaks.
    #[test]
    fn no_fault_before_its_time(steps in prop::collection::vec((0u8..3, prop::sample::select(vec![0u8, 20, 120, 250]), 0u32..90), 1..60)) {
        let policy = policy();
        let soonest = [policy.dark_after_s, policy.bright_after_s, policy.blurred_after_s, policy.moved_after_s].into_iter().min().unwrap();
        let mut watch = Watch::new(policy);
        let (mut now, mut fine_until) = (0.0, 0.0);
        for (seed, tone, wait) in steps {
            now += f64::from(wait);
            if watch.see(at(now), &scene(seed, tone)) == State::Fine {
                fine_until = now;
            } else if watch.state() != State::Frozen {
                prop_assert!(now >= f64::from(soonest), "{:?} at {now}", watch.state());
            }
            prop_assert!(watch.alike().is_none_or(|a| (-1.01..=1.01).contains(&a)));
        }
        prop_assert!(fine_until <= now);
        // Time that goes back is no reason to judge.
        let before = watch.state();
        let again = watch.see(at(0.0), &scene(1, 120));
        prop_assert!(again == before || again == State::Fine);
    }
}

#[test]
fn thresholds_that_contradict_are_refused() {
    let broken: [fn(&mut Policy); 6] = [
        |p| p.dark_level = p.bright_level,
        |p| p.frozen_share = 1.5,
        |p| p.moved_below = f32::NAN,
        |p| p.follow_above = p.moved_below - 0.1,
        |p| p.views = 0,
        |p| p.gap_s = 0,
    ];
    for change in broken {
        let mut policy = policy();
        change(&mut policy);
        assert_eq!(policy.check().unwrap_err().code(), "camera.health.policy");
    }
}
