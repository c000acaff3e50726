"""`python -m synapse_spec`: the same program as `synapse`."""

from synapse_spec.cli.main import main

if __name__ == "__main__":
    main()
