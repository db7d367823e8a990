"""`ehlogate session`

SPDX-License-Identifier: MIT
"""
