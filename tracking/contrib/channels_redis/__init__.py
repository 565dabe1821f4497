"""A channel layer over Redis pub/sub that recovers when Redis fails. It needs the extra `[redis]`.

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "tracking.contrib.channels_redis.ChannelLayer",
        "CONFIG": {"hosts": ["redis://localhost:6379/0"]},
    }
}
"""

from tracking.contrib.channels_redis.layer import ChannelLayer

__all__ = ["ChannelLayer"]
