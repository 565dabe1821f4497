def may_publish(user, driver_id):
    return user.drives and user.pk == driver_id
