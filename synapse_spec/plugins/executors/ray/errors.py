"""What goes wrong between us and a cluster, as opposed to what goes wrong in an action."""

from synapse_spec.plugins.errors import PluginError


class ClusterUnreachable(PluginError):
    """No Ray answers at the address, it refuses us, or none could be started here."""


class JobsApiError(PluginError):
    """The cluster answered a request about jobs with an error; `details` is {status, method, path}."""


class JobExists(JobsApiError):
    """There is a job of that id already, in whatever state."""
