//! HTTP/1.1 by hand over one keep-alive connection: as little as a client can cost, and the same for hub and floor.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 << 10),
        })
    }

    /// Sends a whole request; answers the status and the body.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let message = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(message) = Message::parse(&self.buffer)
                && self.buffer.len() >= message.end
            {
                break message;
            }
        };
        let status = self.buffer.get(9..12).unwrap_or_default();
        let status = std::str::from_utf8(status)?.parse()?;
        Ok((status, &self.buffer[message.body..message.end]))
    }
}

/// Where a message's body lies in a buffer that begins with its head.
pub(crate) struct Message {
    pub(crate) body: usize,
    pub(crate) end: usize,
}

impl Message {
    /// `None` while the head is incomplete. Messages without a length have no body here.
    pub(crate) fn parse(buffer: &[u8]) -> Option<Self> {
        let body = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = &buffer[..body];
        let length = head
            .split(|&byte| byte == b'\n')
            .find_map(|line| {
                let (name, value) = line.split_at_checked(15)?;
                name.eq_ignore_ascii_case(b"content-length:")
                    .then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
            })
            .unwrap_or(0usize);
        Some(Self {
            body,
            end: body + length,
        })
    }
}

/// A request of the usual kind.
pub(crate) fn request(method: &str, path: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// One call on a connection of its own.
pub(crate) async fn once(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut connection = Connection::open(address).await?;
    let (status, body) = connection.call(request).await?;
    Ok((status, body.to_vec()))
}
