"""`python -m hamrasan.cli` is the command `hamrasan`."""

import sys

from hamrasan.cli.main import main

sys.exit(main())
