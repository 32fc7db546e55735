//! What crosses a metered network: text always, images after asking, video on
//! Wi-Fi. And what a file costs, before it starts.

/// The network in use, as the system or the user says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Wi-Fi, a cable: nobody pays by the byte.
    #[default]
    Free,
    /// Mobile data.
    Metered,
}

/// What becomes of a file on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes.
    Now,
    /// It goes once somebody agreed to it.
    Ask,
    /// It waits for a free network, unless somebody agreed to pay.
    Wait,
}

/// Documents below this cost no more than an image that is asked for would: a page
/// of text as PDF. Bytes.
pub const SMALL: u64 = 256 * 1024;

/// Whether a file goes over a network. `agreed`: somebody said yes to this file.
#[must_use]
pub fn passage(network: Network, media: &str, size: u64, agreed: bool) -> Passage {
    if agreed || network == Network::Free {
        return Passage::Now;
    }
    match media.split('/').next().unwrap_or_default() {
        "text" => Passage::Now,
        "video" => Passage::Wait,
        "image" | "audio" => Passage::Ask,
        _ if size <= SMALL => Passage::Now,
        _ => Passage::Ask,
    }
}

/// What sending or fetching takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes over the network, with frames and acknowledgements.
    pub bytes: u64,
    /// Seconds at the rate measured last; none if none was.
    pub seconds: Option<u64>,
}

/// Estimates `left` bytes of files at a rate in bytes a second. A slice of 1,024
/// bytes has a head of 8 and its WebSocket frame one of 8, every sixteenth is
/// acknowledged with 16.
#[must_use]
pub fn estimate(left: u64, rate: Option<u64>) -> Estimate {
    let slices = left.div_ceil(1024);
    let bytes = left + slices * 16 + slices.div_ceil(16) * 16;
    Estimate {
        bytes,
        seconds: rate
            .filter(|rate| *rate > 0)
            .map(|rate| bytes.div_ceil(rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_always_goes_images_ask_and_video_waits_for_wifi() {
        let metered = |media, size| passage(Network::Metered, media, size, false);
        assert_eq!(metered("text/plain; charset=utf-8", 1 << 20), Passage::Now);
        assert_eq!(metered("image/jpeg", 40_000), Passage::Ask);
        assert_eq!(metered("video/mp4", 20 << 20), Passage::Wait);
        assert_eq!(metered("application/pdf", SMALL), Passage::Now);
        assert_eq!(metered("application/pdf", SMALL + 1), Passage::Ask);
        for media in ["video/mp4", "image/png", ""] {
            assert_eq!(passage(Network::Free, media, 1 << 30, false), Passage::Now);
            assert_eq!(
                passage(Network::Metered, media, 1 << 30, true),
                Passage::Now
            );
        }
    }

    #[test]
    fn a_video_over_2g_is_known_to_take_an_hour() {
        let cost = estimate(20 << 20, Some(50_000 / 8));
        assert!((20 << 20..21 << 20).contains(&cost.bytes));
        assert!((3300..3500).contains(&cost.seconds.unwrap()), "{cost:?}");
        assert_eq!(estimate(5, None).seconds, None);
        assert_eq!(estimate(0, Some(1)).bytes, 0);
    }
}
