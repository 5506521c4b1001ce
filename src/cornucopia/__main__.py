"""`python -m cornucopia`."""

from cornucopia.cli.main import main

raise SystemExit(main())
