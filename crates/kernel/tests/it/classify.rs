//! The classifier: what it learns, that it is the same every time, what it does with bytes and texts that are odd, and (where
//! the research sets are at hand) how well it does on them.

use std::path::Path;
use std::process::Command;

use dothi_kernel::classify::{Decided, Likeness, Model, NEVER, features};
use dothi_kernel::text::fold;
use proptest::prelude::*;

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_string()).collect()
}

fn small() -> (Vec<String>, Vec<(&'static str, usize)>) {
    let texts = vec![
        ("Đèn đường tắt ba hôm nay, tối om", 0),
        ("Bóng đèn cao áp bị cháy trước cổng trường", 0),
        ("Cột đèn chiếu sáng không lên", 0),
        ("Rác chất đống cạnh cổng chợ, bốc mùi", 1),
        ("Xe rác ba ngày không đến thu gom", 1),
        ("Người dân vứt rác bừa bãi ra ven đường", 1),
        ("Cây xanh gãy cành đè lên mái nhà", 2),
        ("Cành cây sắp đổ xuống lòng đường", 2),
        ("Cây cổ thụ mục gốc có nguy cơ đổ", 2),
    ];
    (labels(&["light", "garbage", "tree"]), texts)
}

fn decided<'a>(texts: &'a [(&'a str, usize)]) -> Vec<Decided<'a>> {
    texts.iter().map(|(text, class)| Decided { text, class: *class }).collect()
}

#[test]
fn learns_with_and_without_diacritics_and_always_the_same() {
    let (labels, texts) = small();
    let model = Model::train(&labels, &decided(&texts));
    for text in ["đèn đường không sáng", "den duong khong sang", "DEN DUONG K SANG", "đèn đg ko sáng"] {
        assert_eq!(model.read(text)[0].0, 0, "{text}");
    }
    assert_eq!(model.read("rac khong ai thu gom")[0].0, 1);
    let sum: f32 = model.read("cây đổ").iter().map(|(_, p)| p).sum();
    assert!((sum - 1.0).abs() < 1e-4);
    assert_eq!(Model::train(&labels, &decided(&texts)), model, "the same texts give the same model");
    assert!(model.read(" … !!! ").is_empty(), "nothing is said about no words");
}

#[test]
fn stored_and_read_again_it_says_the_same() {
    let (labels, texts) = small();
    let model = Model::train(&labels, &decided(&texts));
    let bytes = model.to_bytes();
    let again = Model::from_bytes(&bytes).unwrap();
    for (text, _) in &texts {
        for (one, other) in model.read(text).iter().zip(again.read(text)) {
            assert!((one.1 - other.1).abs() < 2e-3, "{text}");
        }
    }
    for cut in 0..bytes.len().min(400) {
        assert!(Model::from_bytes(&bytes[..cut]).is_err());
    }
    assert!(Model::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn shares_and_thresholds_are_counted_as_they_are_said() {
    let (labels, texts) = small();
    let model = Model::train(&labels, &decided(&texts));
    // Judged on its own texts everything is right; a text of another class makes it wrong once.
    let mut tested = texts.clone();
    tested.push(("Đèn đường tắt, trời tối", 2));
    let measured = model.measure(&decided(&tested), &[0.0, NEVER, 0.0]);
    assert_eq!((measured.tested, measured.confusion[2][0], measured.confusion[0][0]), (10, 1, 3));
    let light = &measured.classes[0];
    assert_eq!((light.tested, light.precision, light.recall, light.filled, light.filled_right), (3, Some(0.75), Some(1.0), 4, 3));
    assert_eq!((measured.classes[2].recall, measured.classes[1].filled), (Some(0.75), 0), "what has no threshold is never filled in");
    assert!((measured.accuracy - 0.9).abs() < 1e-6);
    let strict = model.thresholds(&decided(&tested), 0.99, 2);
    assert!(strict[1] < 1.0 && strict[2] < 1.0);
    let few = model.thresholds(&decided(&tested), 0.5, 100);
    assert!(few.iter().all(|t| *t >= NEVER), "a handful proves nothing");
}

#[test]
fn alike_is_what_says_the_same_in_other_spelling() {
    let (_, texts) = small();
    let known: Vec<_> = texts.iter().map(|(t, _)| Likeness::features(t)).collect();
    let likeness = Likeness::of(&known);
    let asked = Likeness::features("rac chat dong canh cong cho boc mui");
    let scores: Vec<f32> = known.iter().map(|k| likeness.between(&asked, k)).collect();
    assert!(scores[3] > 0.99, "the same words without marks: {scores:?}");
    assert!(scores.iter().enumerate().all(|(i, s)| i == 3 || *s < 0.5), "{scores:?}");
    assert_eq!(likeness.between(&asked, &Likeness::features("!!")), 0.0);
}

proptest! {
    #[test]
    fn any_text_has_features_of_length_one(text in "\\PC{0,300}") {
        let one = features(&text);
        prop_assert_eq!(&one, &features(&text));
        let likeness = Likeness::of([&one]);
        let own = likeness.between(&one, &one);
        prop_assert!(one == features("") || (own - 1.0).abs() < 1e-3, "{}", own);
        // Folding twice is folding once, so what is learned without marks is found without marks.
        prop_assert_eq!(features(&fold(&text)), features(&fold(&fold(&text))));
    }

    #[test]
    fn any_bytes_are_a_model_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut claimed = b"dothi-c1".to_vec();
        claimed.extend(bytes);
        if let Ok(model) = Model::from_bytes(&claimed) {
            let _any_answer = model.read("đèn đường");
        }
    }
}

fn set(path: &str) -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets").join(path);
    let unpacked = Command::new("gzip").arg("-dc").arg(file.canonicalize().ok()?).output().unwrap();
    Some(String::from_utf8(unpacked.stdout).unwrap())
}

/// Rows of a set: the words and the class in a column.
fn rows(csv: &str, column: usize) -> Vec<(String, usize)> {
    csv::Reader::from_reader(csv.as_bytes()).records().map(|r| r.unwrap()).map(|r| (r[0].to_string(), r[column].parse().unwrap())).collect()
}

/// Trains on UIT-VSFC and gives accuracy and macro-F1 with and without diacritics in the test.
fn vsfc(train: &str, dev: &str, column: usize, classes: &[&str]) -> [(f32, f32); 2] {
    let (mut train, dev) = (rows(train, column), rows(dev, column));
    if cfg!(debug_assertions) {
        // Without optimisation all of it takes minutes: every fourth text must do.
        train = train.into_iter().step_by(4).collect();
    }
    fn decided(rows: &[(String, usize)]) -> Vec<Decided<'_>> {
        rows.iter().map(|(text, class)| Decided { text, class: *class }).collect()
    }
    let model = Model::train(&labels(classes), &decided(&train));
    let folded: Vec<(String, usize)> = dev.iter().map(|(t, c)| (fold(t), *c)).collect();
    [&dev, &folded].map(|rows| {
        let measured = model.measure(&decided(rows), &[]);
        (measured.accuracy, measured.macro_f1)
    })
}

#[test]
fn on_student_feedback_it_does_as_published() {
    let (Some(train), Some(dev)) = (set("vn-feedback-vsfc/train.csv.gz"), set("vn-feedback-vsfc/dev.csv.gz")) else {
        eprintln!("skipped: the UIT-VSFC set (research use only) is not beside the project");
        return;
    };
    let sentiment = vsfc(&train, &dev, 1, &["negative", "neutral", "positive"]);
    let topic = vsfc(&train, &dev, 2, &["lecturer", "programme", "facility", "other"]);
    eprintln!("UIT-VSFC dev, accuracy and macro-F1 with and without diacritics: sentiment {sentiment:?}, topic {topic:?}");
    let least = if cfg!(debug_assertions) { 0.80 } else { 0.84 };
    assert!(sentiment.iter().chain(&topic).all(|(accuracy, _)| *accuracy > least), "{sentiment:?} {topic:?}");
}
