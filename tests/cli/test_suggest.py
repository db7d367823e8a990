"""`ehlogate suggest`

SPDX-License-Identifier: MIT
"""
