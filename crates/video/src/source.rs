//! Where pictures come from: a camera by RTSP over TCP, or a clip that the installation keeps for trying out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use dothi_kernel::{Error, Result};
use dothi_store::outside::Guard;
use futures::StreamExt;
use retina::client::{Credentials, PlayOptions, Session, SessionOptions, SetupOptions, TcpTransportOptions, TeardownPolicy, Transport};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoParametersCodec};
use url::Url;

use crate::media::{Config, LARGEST, TICKS};
use crate::mp4;

/// How long a camera may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may be without a picture.
const PICTURE: Duration = Duration::from_secs(15);
/// Largest clip.
const CLIP: u64 = 64 * 1024 * 1024;

/// What a connection needs. Not shown: it holds a password.
pub(crate) struct Source {
    pub url: String,
    pub secret: Option<(String, String)>,
}

/// Who takes the pictures; an error ends the connection.
pub(crate) trait Sink: Send {
    /// What the decoder must know, before the first picture and when it changes.
    fn begin(&mut self, config: Config) -> Result<()>;
    /// A picture in the order of decoding: when it is shown (ticks of the source), whether decoding may begin here, and its NAL units
    /// with lengths.
    fn picture(&mut self, shown: i64, key: bool, data: Bytes) -> Result<()>;
}

/// What the program may reach.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub guard: Guard,
    pub clips: PathBuf,
}

fn refused(code: &'static str, detail: &'static str) -> Error {
    Error::unavailable(code, detail)
}

/// Name of a clip: a plain file name.
pub(crate) fn clip(url: &str) -> Option<&str> {
    let name = url.strip_prefix("file:")?;
    let plain = !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain.then_some(name)
}

/// Takes pictures until the source ends or fails: 503 `video.connect`, `video.sign-in`, `video.codec`, `video.silent`, `video.ended`; 400 `outside.refused`.
pub(crate) async fn pull(source: &Source, reach: &Reach, sink: &mut dyn Sink) -> Result<()> {
    match clip(&source.url) {
        Some(name) => play_clip(&reach.clips.join(name), sink).await,
        None => rtsp(source, reach.guard, sink).await,
    }
}

async fn rtsp(source: &Source, guard: Guard, sink: &mut dyn Sink) -> Result<()> {
    let mut url = Url::parse(&source.url).map_err(|e| refused("video.connect", "The stream's address cannot be used.").because(e))?;
    guard.check(&url)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
    let address = tokio::time::timeout(ANSWER, guard.resolve_host(&host))
        .await
        .map_err(|_| refused("video.connect", "The camera's name was not resolved in time."))?
        .map_err(|e| Error::invalid("outside.refused", "Requests may not go to this address.").because(e))?;
    // The address that was looked at is the one that is connected to.
    url.set_ip_host(address).map_err(|()| refused("video.connect", "The stream's address cannot be used."))?;
    let creds = source.secret.clone().map(|(username, password)| Credentials { username, password });
    let options = SessionOptions::default().creds(creds).user_agent("Dothi".into()).teardown(TeardownPolicy::Auto);
    let failed = |e: retina::Error| match e.status_code() {
        Some(401 | 403) => refused("video.sign-in", "The camera does not accept the name and password."),
        _ => refused("video.connect", "The camera does not answer as it should.").because(e),
    };
    let slow = |_| refused("video.connect", "The camera does not answer in time.");
    let mut session = tokio::time::timeout(ANSWER, Session::describe(url, options)).await.map_err(slow)?.map_err(failed)?;
    let wanted = |s: &retina::client::Stream| s.media() == "video" && s.encoding_name().eq_ignore_ascii_case("h264");
    let index = session.streams().iter().position(wanted).ok_or_else(|| refused("video.codec", "The camera does not send H.264."))?;
    let setup = SetupOptions::default().transport(Transport::Tcp(TcpTransportOptions::default())).frame_format(FrameFormat::MP4);
    tokio::time::timeout(ANSWER, session.setup(index, setup)).await.map_err(slow)?.map_err(failed)?;
    let playing = tokio::time::timeout(ANSWER, session.play(PlayOptions::default())).await.map_err(slow)?.map_err(failed)?;
    let mut stream = playing.demuxed().map_err(failed)?;
    let mut begun = false;
    loop {
        let item = match tokio::time::timeout(PICTURE, stream.next()).await {
            Err(_) => return Err(refused("video.silent", "The camera is connected and sends no pictures.")),
            Ok(None) => return Err(refused("video.ended", "The camera ended the stream.")),
            Ok(Some(item)) => item.map_err(failed)?,
        };
        let CodecItem::VideoFrame(frame) = item else { continue };
        if !begun || frame.has_new_parameters() {
            match config(stream.streams().get(index).and_then(|s| s.parameters())) {
                Some(config) => sink.begin(config)?,
                // Parameter sets come before the first key frame.
                None => continue,
            }
            begun = true;
        }
        let (shown, key) = (frame.timestamp().elapsed(), frame.is_random_access_point());
        let rate = i64::from(frame.timestamp().clock_rate().get());
        let shown = if rate == i64::from(TICKS) { shown } else { shown.saturating_mul(i64::from(TICKS)) / rate };
        let data = frame.into_data();
        if data.len() <= LARGEST {
            sink.picture(shown, key, data.into())?;
        }
    }
}

fn config(parameters: Option<ParametersRef<'_>>) -> Option<Config> {
    let Some(ParametersRef::Video(video)) = parameters else { return None };
    let VideoParametersCodec::H264 { sps, pps } = video.codec_params() else { return None };
    let (width, height) = video.pixel_dimensions();
    Some(Config { sps: sps.clone(), pps: pps.clone(), width: u16::try_from(width).ok()?, height: u16::try_from(height).ok()? })
}

/// Plays a clip in its own time, over and over; who looks now and then sees other parts of it.
async fn play_clip(path: &Path, sink: &mut dyn Sink) -> Result<()> {
    let missing = |e: std::io::Error| refused("video.connect", "There is no such clip.").because(e);
    if tokio::fs::metadata(path).await.map_err(missing)?.len() > CLIP {
        return Err(refused("video.connect", "The clip is too large."));
    }
    let bytes = Bytes::from(tokio::fs::read(path).await.map_err(missing)?);
    let (config, units) = mp4::read_clip(&bytes)?;
    sink.begin(config)?;
    let long = units.last().map_or(0, |u| u.dts + u64::from(u.duration)).max(1);
    let long_us = long * 1_000_000 / u64::from(TICKS);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(0));
    let wanted = now % long_us.max(1) * u64::from(TICKS) / 1_000_000;
    let first = units.iter().rposition(|u| u.key && u.dts <= wanted).unwrap_or(0);
    let offset = units.get(first).map_or(0, |u| u.dts);
    let began = tokio::time::Instant::now();
    for round in 0u64.. {
        for unit in units.iter().skip(if round == 0 { first } else { 0 }) {
            let place = round * long + unit.dts - offset;
            tokio::time::sleep_until(began + Duration::from_micros(place * 1_000_000 / u64::from(TICKS))).await;
            sink.picture(i64::try_from(place).unwrap_or(0) + i64::from(unit.cts), unit.key, unit.data.clone())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn clips_have_plain_names() {
        assert_eq!(super::clip("file:road-1.mp4"), Some("road-1.mp4"));
        for bad in ["file:", "file:../x.mp4", "file:/etc/passwd", "file:.hidden", "file:a/b", "rtsp://a/b", "file:a b"] {
            assert_eq!(super::clip(bad), None, "{bad}");
        }
    }
}
