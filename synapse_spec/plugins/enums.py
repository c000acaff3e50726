"""The closed vocabularies of plugins: execution modes and the values config.yaml may name. Used by every floor."""

from enum import StrEnum


class ExecutionMode(StrEnum):
    """How an action is run: in this process, on a Ray actor, as a Ray job."""

    LOCAL = "local"
    TASK = "task"
    JOB = "job"


class RunMethod(StrEnum):
    """How an action asks to be run in its config.yaml."""

    JOB = "job"
    TASK = "task"
    SERVE = "serve"
    RESTAPI = "restapi"


class PluginCategory(StrEnum):
    NEURAL_NET = "neural_net"
    EXPORT = "export"
    UPLOAD = "upload"
    SMART_TOOL = "smart_tool"
    POST_ANNOTATION = "post_annotation"
    PRE_ANNOTATION = "pre_annotation"
    DATA_VALIDATION = "data_validation"
    CUSTOM = "custom"


class PackageManager(StrEnum):
    PIP = "pip"
    UV = "uv"


class DataType(StrEnum):
    IMAGE = "image"
    TEXT = "text"
    VIDEO = "video"
    PCD = "pcd"
    AUDIO = "audio"
    DATA = "data"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
