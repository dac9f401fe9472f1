/** All servers, in the order of the table. */
import { nats } from './nats.js'
import { nchan, nginx, nginxDefault } from './nginx.js'
import { pushpin } from './pushpin.js'
import type { ServerKind } from './server.js'
import { tackboard } from './tackboard.js'
import { uws } from './uws.js'

export const SERVERS: readonly ServerKind[] = [tackboard, uws, pushpin, nchan, nats, nginx, nginxDefault]
