"""The certificate authority of the demo, which the tests' countries believe, too."""

from __future__ import annotations

from hamrasan.cli.demo.authority import Authority, Certificate

__all__ = ["Authority", "Certificate"]
