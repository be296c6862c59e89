//! Cameras of the demo province: short clips that are played over and over, and say so.

use std::path::Path;

use dothi_kernel::{Caller, Error, Result};
use dothi_video::model::CameraInput;
use serde::Deserialize;

use crate::City;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    clips: String,
    camera: Vec<toml::Table>,
}

fn bad(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::invalid("demo.file", "A file of the demo cannot be used.").with("file", file.display()).with("reason", why)
}

/// Puts the clips into the data folder and registers the cameras.
pub(crate) async fn tell(city: &City, folder: &Path) -> Result<()> {
    let file = folder.join("cameras.toml");
    let plan: Plan = toml::from_str(&std::fs::read_to_string(&file).map_err(|e| bad(&file, e))?).map_err(|e| bad(&file, e.message()))?;
    let (from, to) = (folder.join(&plan.clips), city.settings.data.join("clips"));
    std::fs::create_dir_all(&to).map_err(|e| bad(&to, e))?;
    for entry in std::fs::read_dir(&from).map_err(|e| bad(&from, e))? {
        let entry = entry.map_err(|e| bad(&from, e))?;
        if entry.path().extension().is_some_and(|e| e == "mp4") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(|e| bad(&entry.path(), e))?;
        }
    }
    let system = Caller::system("demo", city.store.clock().as_ref());
    for camera in plan.camera {
        let input: CameraInput = camera.try_into().map_err(|e: toml::de::Error| bad(&file, e.message()))?;
        city.video.put(&system, None, input).await?;
    }
    Ok(())
}
