"""What the channels of Meta share: webhook proof, reading of signed JSON, the error table and the Graph client."""

from __future__ import annotations
