"""``python -m pcam`` lists the commands; ``python -m pcam train ...`` runs one."""

from pcam.cli.main import main

if __name__ == "__main__":
    main()
