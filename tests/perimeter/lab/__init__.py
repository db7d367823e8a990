"""A perimeter in miniature: client, gate and server in network namespaces.

    client  10.77.1.2 ---- 10.77.1.1  gate  10.77.2.1 ---- 10.77.2.2  server
            fd77:1::2      fd77:1::1        fd77:2::1      fd77:2::2

A second server address (10.77.2.3) stands for "another host".  Everything is
removed at the end, also when this process is killed: a guardian process does
it when its pipe closes.

SPDX-License-Identifier: MIT
"""
from . import eod
from .accepted import Accepted, plain
from .aio import Aiosmtpd
from .certificates import Authority, anybody
from .clients import Smtplib, Swaks, fingerprint
from .ends import Ends
from .exim import Exim, EximClient
from .gate import GATE, POLICY, Gate
from .haraka import Haraka
from .hop import Hop
from .load import Mailer, Sink, descriptors, resident_kib
from .net import (ANOTHER4, ANOTHER6, CLIENT4, CLIENT6, FAR4, FAR6, NEIGHBOUR6,
                  OTHER4, SERVER4, SERVER6, TOP, Namespaces, need_root, sh,
                  stops_wait, temporary, wait_for)
from .opensmtpd import OpenSMTPD, OpenSMTPDClient
from .peers import Stub, Talk, lines_of_mail, send
from .postfix import Postfix, PostfixClient
from .tlscheck import Auditor
from .wire import Unread, Wire
