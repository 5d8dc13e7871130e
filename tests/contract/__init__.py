"""What every installed plug-in of a kind must do, whatever product it speaks to."""

from __future__ import annotations
