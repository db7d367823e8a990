"""`ehlogate diff`

SPDX-License-Identifier: MIT
"""
