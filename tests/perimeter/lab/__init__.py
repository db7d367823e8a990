"""A perimeter in miniature: client, gate and server in network namespaces.

    client  10.77.1.2 ---- 10.77.1.1  gate  10.77.2.1 ---- 10.77.2.2  server
            fd77:1::2      fd77:1::1        fd77:2::1      fd77:2::2

A second server address (10.77.2.3) stands for "another host".  Everything is
removed at the end, also when this process is killed: a guardian process does
it when its pipe closes.

SPDX-License-Identifier: MIT
"""
from .exim import Exim
from .gate import GATE, POLICY, Gate
from .net import (CLIENT4, CLIENT6, FAR4, FAR6, OTHER4, SERVER4, SERVER6, TOP, Namespaces,
                  need_root, sh, temporary, wait_for)
from .opensmtpd import OpenSMTPD
from .peers import Stub, Talk, lines_of_mail, send
from .postfix import Postfix
