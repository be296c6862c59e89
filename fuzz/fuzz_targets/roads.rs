//! Files of roads: OpenStreetMap as PBF, XML and Overpass JSON, a register as GeoJSON, and the form they are kept in.
#![no_main]

use dothi_traffic::roads::graph::Graph;
use dothi_traffic::roads::read::{Format, read_from};
use dothi_traffic::roads::set::RoadSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let format = match first % 5 {
        0 => Format::OsmPbf,
        1 => Format::OsmXml,
        2 => Format::Overpass,
        3 => Format::Geojson,
        _ => {
            if let Ok(set) = RoadSet::decode(rest) {
                assert_eq!(RoadSet::decode(&set.encode()).ok().as_ref(), Some(&set), "what is read is written the same");
                Graph::build(set);
            }
            return;
        }
    };
    if let Ok((set, taken)) = read_from(format, || Ok(rest)) {
        assert_eq!(taken.ways as usize, set.ways.len());
        assert_eq!(RoadSet::decode(&set.encode()).ok().as_ref(), Some(&set), "what is taken is kept whole");
        Graph::build(set);
    }
});
