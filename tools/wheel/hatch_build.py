"""Names the platforms of the wheel: the program is static, so any Linux and any Python 3 will do."""

import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Platforms(BuildHookInterface):
    def initialize(self, version, build_data):
        build_data["pure_python"] = False
        build_data["tag"] = os.environ["ONEFOLD_WHEEL_TAG"]
