"""Tests here share the module `committed`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
