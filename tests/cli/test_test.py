"""What `test` says of a policy's own tests that fail.

SPDX-License-Identifier: MIT
"""
from cases import golden, tool


def test_failing(_folder):
    said, errors = tool("test", "failing.yaml", status=1)
    golden("test", said + errors)


def test_a_folder_is_no_policy(folder):
    said, errors = tool("check", folder, status=1)
    assert "cannot be read: Is a directory" in said + errors
