//! Proxies: an HTTP proxy, and the SOCKS5 listener of a tunnel.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;

use crate::registry::tests::prelude::*;

/// Copies bytes in both directions until one side ends.
pub fn relay(one: TcpStream, other: TcpStream) {
    let (mut one_in, mut other_out) = (one.try_clone().unwrap(), other.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut one_in, &mut other_out);
        // Only the sending direction is closed, because the other direction may still carry bytes.
        let _ = other_out.shutdown(std::net::Shutdown::Write);
    });
    let (mut other_in, mut one_out) = (other, one);
    let _ = std::io::copy(&mut other_in, &mut one_out);
    let _ = one_out.shutdown(std::net::Shutdown::Write);
}

/// An HTTP proxy with the login `eve:p@ss`, which connects to `target` whatever the request names.
pub fn connect_proxy(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, target) = (client.unwrap(), target.clone());
            std::thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(client.try_clone().unwrap());
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                // This is base64 of `eve:p@ss`, in lower case like the rest of the header.
                let accepted = head.to_ascii_lowercase().contains("proxy-authorization: basic zxzlonbac3m=");
                match (accepted, head.strip_prefix("CONNECT ")) {
                    (true, Some(_)) => {
                        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                        relay(client, TcpStream::connect(target).unwrap());
                    }
                    (true, None) => {
                        let mut server = TcpStream::connect(target).unwrap();
                        server.write_all(head.as_bytes()).unwrap();
                        relay(client, server);
                    }
                    (false, _) => {
                        let shown = head.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-auth"));
                        let body = shown.unwrap_or("who are you?");
                        let length = body.len();
                        let head = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-type: text/plain\r\n";
                        let _ = write!(client, "{head}content-length: {length}\r\n\r\n{body}");
                    }
                }
            });
        }
    });
    host
}

/// A SOCKS5 listener with a login, like that of a tunnel. It sends `reply`, and connects to `target` if that is success.
pub fn socks_listener(reply: u8, target: String) -> Secret {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, target) = (client.unwrap(), target.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let receive = |client: &mut TcpStream, length: u8| -> std::io::Result<Vec<u8>> {
                    let mut bytes = vec![0; length.into()];
                    client.read_exact(&mut bytes).map(|()| bytes)
                };
                let methods = receive(&mut client, 2)?[1];
                receive(&mut client, methods)?;
                client.write_all(&[5, 2])?;
                let user = receive(&mut client, 2)?[1];
                receive(&mut client, user)?;
                let password = receive(&mut client, 1)?[0];
                receive(&mut client, password)?;
                client.write_all(&[1, 0])?;
                let request = receive(&mut client, 5)?;
                // 3 is the address type of a name (RFC 1928, section 5). An address would mean that this machine has
                // resolved it.
                assert_eq!(request[3], 3, "the name was not left to the other end");
                receive(&mut client, request[4] + 2)?;
                client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])?;
                if reply == 0 {
                    relay(client, TcpStream::connect(target)?);
                }
                Ok(())
            });
        }
    });
    Secret::new(format!("socks5h://tunnel:secret-of-ours@{host}"))
}
