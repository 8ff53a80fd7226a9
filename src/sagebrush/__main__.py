"""`python -m sagebrush` is the `sagebrush` command."""

import sys

from sagebrush.cli import main

sys.exit(main())
