/*
 * The backend behind the gateways: `loadclient backend PORT` (0: any port). It keeps nothing from one request to the next.
 *
 *   POST (WebSocket-over-HTTP)  OPEN is accepted; with ?channel=C it subscribes to C, with &channels=N to C-0 … C-(N-1).
 *                               Other events come back as they are (an echo); DISCONNECT gets an empty answer.
 *   GET /stream?channel=C       held as a stream with a first line
 *   GET /poll?channel=C         held as a response
 *   anything else               100 bytes of text
 *
 * Prints {"event":"ready","port":N}, serves until the end of standard input, then prints how many requests there were
 * and the CPU time they took.
 */
#ifndef BACKEND_H
#define BACKEND_H

int backend_run(unsigned port);

#endif
