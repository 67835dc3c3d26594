//! Hashes that give the same server for the same key as nginx's do. Given bytes, `ip_hash` and `hash` walk over weighted
//! servers, and `hash ... consistent` over a ring of points; they say where to look next, never whether a server can be asked.

/// The polynomial of IEEE 802.3, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

/// A CRC-32 that is fed piece by piece.
#[derive(Clone, Copy, Debug)]
struct Crc(u32);

impl Crc {
    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn with(self, bytes: &[u8]) -> Self {
        let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        Self(bytes.iter().fold(self.0, step))
    }

    fn value(self) -> u32 {
        !self.0
    }
}

/// Where a request's key leads, and where it leads next.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    key: Vec<u8>,
    hash: u32,
    /// How often the key was hashed.
    round: u32,
}

impl Walk {
    /// The walk of `ip_hash`; the key is the client's address, of IPv4 its first three octets.
    pub(super) fn of_address(key: Vec<u8>) -> Self {
        const START: u32 = 89;
        Self { key, hash: START, round: 0 }
    }

    /// The walk of `hash`.
    pub(super) fn of_key(key: Vec<u8>) -> Self {
        Self { key, hash: 0, round: 0 }
    }

    /// The walk of `hash ... consistent` around `ring`.
    pub(super) fn around(ring: &Ring, key: Vec<u8>) -> Self {
        let hash = ring.position(Crc::new().with(&key).value());
        Self { key, hash, round: 0 }
    }

    /// Whether there is something to go by.
    pub(super) fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    /// The next share of `ip_hash`, out of `total`: nginx's `ngx_http_upstream_get_ip_hash_peer`.
    pub(super) fn next_by_address(&mut self, total: u64) -> u64 {
        let step = |hash: u32, octet: &u8| (hash * 113 + u32::from(*octet)) % 6271;
        self.hash = self.key.iter().fold(self.hash, step);
        u64::from(self.hash) % total
    }

    /// The next share of `hash`, out of `total`: Cache::Memcached's rehashing, as nginx has it.
    pub(super) fn next_by_key(&mut self, total: u64) -> u64 {
        let mut crc = Crc::new();
        if self.round > 0 {
            crc = crc.with(self.round.to_string().as_bytes());
        }
        self.hash = self.hash.wrapping_add((crc.with(&self.key).value() >> 16) & 0x7fff);
        self.round += 1;
        u64::from(self.hash) % total
    }

    /// The server at this point of the ring.
    pub(super) fn here(&self, ring: &Ring) -> usize {
        ring.points[self.hash as usize % ring.points.len()].1
    }

    /// Goes on to the ring's next point.
    pub(super) fn step(&mut self) {
        self.hash = self.hash.wrapping_add(1);
    }
}

/// The points of `hash ... consistent`: ketama's ring as Cache::Memcached::Fast lays it out, 160 points for each unit of weight.
#[derive(Debug)]
pub(super) struct Ring {
    /// By hash; the server is an index of whatever the ring was made of.
    points: Vec<(u32, usize)>,
}

impl Ring {
    /// A ring of these servers, `HOST:PORT` or `HOST`, with their weights; at least one.
    pub(super) fn new<'a>(servers: impl Iterator<Item = (&'a str, u32)>) -> Self {
        const POINTS: u64 = 160;
        let mut points = Vec::new();
        for (index, (server, weight)) in servers.enumerate() {
            let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
            let (host, port) =
                server.rsplit_once(':').filter(|(_, port)| is_port(port)).unwrap_or((server, ""));
            let base = Crc::new().with(host.as_bytes()).with(&[0]).with(port.as_bytes());
            let mut previous = 0_u32;
            for _ in 0..POINTS * u64::from(weight) {
                previous = base.with(&previous.to_le_bytes()).value();
                points.push((previous, index));
            }
        }
        points.sort_by_key(|(hash, _)| *hash);
        points.dedup_by_key(|(hash, _)| *hash);
        Self { points }
    }

    /// The first point at or after `hash`, which may be one past the last: there the ring begins anew.
    fn position(&self, hash: u32) -> u32 {
        let position = self.points.partition_point(|(point, _)| *point < hash);
        u32::try_from(position).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_32_is_the_common_one() {
        // The check value of the catalogue of parametrised CRC algorithms.
        assert_eq!(Crc::new().with(b"123456789").value(), 0xcbf4_3926);
        assert_eq!(Crc::new().with(b"1234").with(b"56789").value(), 0xcbf4_3926);
        assert_eq!(Crc::new().value(), 0);
    }

    #[test]
    fn a_ring_has_points_by_weight_and_closes() {
        let ring = Ring::new([("a:1", 1), ("a:2", 3)].into_iter());
        let of = |server| ring.points.iter().filter(|(_, index)| *index == server).count();
        assert_eq!((of(0), of(1)), (160, 480));
        assert!(ring.points.is_sorted());
        let mut walk = Walk { key: Vec::new(), hash: ring.position(u32::MAX), round: 0 };
        assert_eq!(walk.here(&ring), ring.points[0].1);
        walk.step();
        assert_eq!(walk.here(&ring), ring.points[1].1);
    }
}
