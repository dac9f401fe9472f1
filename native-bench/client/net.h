/* Loopback TCP sockets, not blocking. */
#ifndef NET_H
#define NET_H

/*
 * Begins to connect to 127.0.0.1:port, without Nagle. `source` picks the address to connect from (127.0.0.2,
 * 127.0.0.3 and so on for further thousands), because one address has about 28,000 ports. `receive_bytes` limits the
 * kernel's receive buffer; 0: its default. Returns the descriptor, or -1 with errno.
 */
int net_connect(unsigned port, unsigned source, int receive_bytes);

/* Why connecting has failed, as errno; 0: it has not. */
int net_connect_error(int fd);

/* Listens on 127.0.0.1:port (0: any). Returns the descriptor, or -1 with errno; `bound` is the port. */
int net_listen(unsigned port, unsigned *bound);

/* Lets the process have as many descriptors as it may. Returns their number. */
unsigned long net_raise_limit(void);

#endif
