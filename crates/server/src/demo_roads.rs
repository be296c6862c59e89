//! Roads of the demo province: an invented register, taken the way a province's own would be.

use std::path::Path;

use dothi_kernel::{Caller, Error, Result};
use dothi_traffic::roads::model::{SetInput, Slot};
use dothi_traffic::roads::read::Format;

use crate::City;

const SOURCE: &str = "Mạng đường minh hoạ của bản trình diễn (không có thật)";

/// Loads it once.
pub(crate) async fn tell(city: &City, folder: &Path) -> Result<()> {
    let system = Caller::system("demo", city.store.clock().as_ref());
    let roads = city.traffic.roads();
    if roads.state(&system).network.is_some() {
        return Ok(());
    }
    let file = folder.join("roads.geojson");
    let input = SetInput {
        slot: Slot::Network,
        format: Some(Format::Geojson),
        file: "roads.geojson".into(),
        source: SOURCE.into(),
        licence: "Apache-2.0".into(),
        taken_on: city.access.calendar()?.zone().to_datetime(system.now).date(),
    };
    let done = roads.import(&system, file.clone(), input).await;
    done.map(|_| ()).map_err(|e| Error::invalid("demo.file", "A file of the demo cannot be used.").with("file", file.display()).with("reason", e))
}
