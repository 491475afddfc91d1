"""The sending side: RQ workers that claim tasks and hand messages over, and the timekeeper beside them."""
